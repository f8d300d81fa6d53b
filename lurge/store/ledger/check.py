"""The check of the ledger: every amount equals the sum of its journal, and every event has one fate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from lurge.display import counted
from lurge.model.event import EventType
from lurge.store.ledger import schema
from lurge.store.ledger.files import CHANGED
from lurge.store.ledger.read import ErrorFilter, count, count_errors, count_waiting

MOST_PROBLEMS = 20
NOBODY = 0
HALF = 1 << 32
"""The upper and the lower halves of amounts are summed apart: a sum may be larger than a database can hold."""


@dataclass
class LedgerState:
    """The sums of the ledger, and the problems that were found.

    events: lines of files, without empty ones. in_topic: events of files that no service has read yet. foreign: events
    of other programs. errors: those that were not sent again. replayed: those that were, and so have another fate.
    unfinished: names of files that are not read to their end.
    """

    items: int = 0
    events: int = 0
    foreign: int = 0
    applied: int = 0
    duplicates: int = 0
    in_topic: int = 0
    retrying: int = 0
    errors: int = 0
    replayed: int = 0
    unfinished: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    problem_count: int = 0

    @property
    def waiting(self) -> int:
        """Events that have no fate yet."""
        return self.in_topic + self.retrying

    def report(self, problem: str) -> None:
        """Note a problem."""
        self.problem_count += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)

    def as_json(self) -> dict[str, Any]:
        """The fields, for other programs."""
        return {**vars(self), "waiting": self.waiting, "is_right": not self.problem_count}

    def lines(self) -> Iterator[str]:
        """The state for people."""
        yield from self.problems
        yield from (f"{name} is not read to its end" for name in self.unfinished)
        if self.problem_count > len(self.problems):
            yield f"and {self.problem_count - len(self.problems):,} more"
        if not self.problem_count:
            yield f"{counted(self.items, 'item')}: every amount equals the sum of its journal"
        foreign = f" and {self.foreign:,} of other programs" if self.foreign else ""
        replayed = f"; {counted(self.replayed, 'error')} sent again" if self.replayed else ""
        yield (
            f"{counted(self.events, 'event')} in files{foreign} = {self.applied:,} applied"
            f" + {counted(self.duplicates, 'duplicate')} + {self.waiting:,} waiting"
            f" + {counted(self.errors, 'error')}{replayed}"
        )


def check(connection: sa.Connection) -> LedgerState:
    """Check the ledger, as one state of the database shows it."""
    state = LedgerState()
    check_amounts(connection, state)
    check_fates(connection, state)
    return state


def check_amounts(connection: sa.Connection, state: LedgerState) -> None:
    """Compare the amount of every item with the sum of its journal."""
    row, item = schema.transactions.c, schema.items.c
    if number := count(connection, schema.transactions, row.event.not_in(list(EventType))):
        state.report(f"the journal has {counted(number, 'event')} of an unknown type")
    lost = sa.select(item.store_id).distinct().where(item.store_id.not_in(sa.select(schema.stores.c.id)))
    for store in connection.execute(lost).scalars():
        state.report(f"store {store} has items, but is not in the table of stores")
    sign = sa.case((row.event == EventType.INCOMING.value, 1), else_=-1)
    rest = row.amount % HALF
    high, low = sa.func.sum(sign * ((row.amount - rest) // HALF)), sa.func.sum(sign * rest)
    sums = {
        (store, number): int(upper) * HALF + int(lower)
        for store, number, upper, lower in connection.execute(
            sa.select(row.store_number, row.item_number, high, low).group_by(row.store_number, row.item_number)
        )
    }
    for store, number, amount in connection.execute(sa.select(item.store_id, item.item_id, item.amount)):
        state.items += 1
        expected = sums.pop((store, number), None)
        if expected is None:
            state.report(f"store {store}, item {number}: the journal has nothing of it, but its amount is {amount}")
        elif expected != amount:
            state.report(f"store {store}, item {number}: the amount is {amount}, the sum of its journal {expected}")
        if amount < 0:
            state.report(f"store {store}, item {number}: the amount {amount} is negative")
    for (store, number), expected in sums.items():
        state.report(f"store {store}, item {number}: there is no amount, but the sum of its journal is {expected}")


def check_fates(connection: sa.Connection, state: LedgerState) -> None:
    """Compare the numbers of events with the numbers of their fates."""
    table, of_files = schema.tallies.c, schema.files.c
    totals = {"seen": 0, "applied": 0, "duplicates": 0, "errors": 0}
    seen: dict[int, int] = {}
    for file_id, *numbers in connection.execute(
        sa.select(table.file_id, *(sa.func.sum(table[name]) for name in totals)).group_by(table.file_id)
    ):
        for name, number in zip(totals, numbers, strict=True):
            totals[name] += int(number)
        seen[file_id] = int(numbers[0])
    rejected = 0
    columns = (of_files.id, of_files.name, of_files.topic, of_files.sent, of_files.rejected, of_files.done_at)
    for file_id, name, topic, sent, bad, done_at, content in connection.execute(sa.select(*columns, of_files.content)):
        arrived = seen.pop(file_id, 0)
        # A file that changed may have been left between sending and noting it.
        if arrived > sent and done_at is not None and not content.startswith(CHANGED):
            state.report(f"{name}: {counted(arrived - sent, 'more event')} arrived than were sent")
        if arrived < sent and topic is None:
            state.report(f"{name}: {counted(sent - arrived, 'event')} did not arrive, and no topic holds them")
        # While a file is read, events may arrive before it is noted that they were sent.
        known = max(sent, arrived)
        state.events += known + bad
        state.in_topic += known - arrived
        rejected += bad
        if done_at is None:
            state.unfinished.append(name)
    place = schema.positions.c
    for topic, partition, lost in connection.execute(
        sa.select(place.topic, place.partition, place.lost).where(place.lost > 0)
    ):
        state.report(f"{topic} [{partition}]: {counted(lost, 'message')} were gone before they were read")
    state.foreign = seen.pop(NOBODY, 0)
    for file_id, number in seen.items():
        state.report(f"{counted(number, 'event')} came from file {file_id}, which is not known")
    state.retrying = count_waiting(connection)
    every_error = count_errors(connection, ErrorFilter(is_open=False))
    state.errors = count_errors(connection, ErrorFilter())
    state.replayed = every_error - state.errors
    state.applied, state.duplicates = count(connection, schema.transactions), totals["duplicates"]
    compare(state, "rows in the journal", state.applied, "events that were applied", totals["applied"])
    compare(state, "rows in the table of errors", every_error, "errors that were counted", totals["errors"] + rejected)
    fates = totals["applied"] + totals["duplicates"] + totals["errors"] + rejected + state.retrying
    arrived = totals["seen"] + rejected + state.replayed
    compare(state, "events that arrived", arrived, "fates of events", fates)


def compare(state: LedgerState, name: str, number: int, other_name: str, other: int) -> None:
    """Note a problem if two numbers differ."""
    if number != other:
        state.report(f"there are {number:,} {name}, but {other:,} {other_name}")
