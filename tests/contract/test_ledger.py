"""The ledger on each kind of database: one fate for each event, whoever delivers it, how often, and whoever dies."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pytest
import sqlalchemy as sa

from lurge.config.database import DatabaseConfig
from lurge.errors import LedgerError, StoreUnavailable
from lurge.model.event import LARGEST, Event, Message, Place
from lurge.source.events.messages import json_of, parse_message
from lurge.store.database import Database
from lurge.store.database.upgrade import upgrade
from lurge.store.ledger import alerts, files, outbox, positions, read, schema
from lurge.store.ledger.area import LEDGER
from lurge.store.ledger.batch import Counts, PositionMoved, Rules, Stretch, apply_messages
from lurge.store.ledger.check import LedgerState, check
from lurge.store.ledger.replay import replay
from lurge.store.ledger.retry import RetryPolicy
from tests.processes import die_before, was_killed
from tests.services.postgresql import PostgreSql

RULES = Rules(RetryPolicy(3, 0, 0), json_of, "retry", "errors")
TABLES = (
    schema.stores,
    schema.items,
    schema.transactions,
    schema.tallies,
    schema.errors,
    schema.outbox,
    schema.positions,
)
DAY = datetime(2024, 1, 1, 1, 2, 3, 456789)


@pytest.fixture
def ledger(database_config: DatabaseConfig) -> Any:
    """A database of each kind, with a ledger in it."""
    database = Database(database_config)
    upgrade(database, LEDGER)
    yield database
    database.close()


def event(number: int, kind: str = "incoming", value: int = 10, item: tuple[int, int] = (1, 2)) -> Event:
    return Event(str(uuid.UUID(int=number)), kind, DAY, *item, value)


def arriving(*events: Event | tuple[str, ...], first: int = 0, topic: str = "events") -> list[Message]:
    """Events as messages of a topic."""
    return [
        Message(Place(topic, 0, offset), one, json_of(one) if isinstance(one, Event) else b"\xff\0")
        for offset, one in enumerate(events, first)
    ]


def apply(database: Database, messages: Sequence[Message], stretches: Sequence[Stretch] = ()) -> Counts:
    def work() -> Counts:
        with database.writing() as connection:
            return apply_messages(connection, messages, RULES, stretches)

    return database.retrying(work)


def ask(database: Database, question: Callable[[sa.Connection], Any]) -> Any:
    with database.reading() as connection:
        return question(connection)


def amounts(database: Database) -> dict[tuple[int, int], int]:
    rows = ask(database, lambda connection: read.amounts(connection, read.ItemFilter()))
    return {(row.store, row.item): row.amount for row in rows}


def state_of(database: Database) -> LedgerState:
    """The state of the ledger, in which everything adds up."""
    state: LedgerState = ask(database, check)
    assert state.problems == []
    return state


def sent(database: Database, kind: str) -> list[Message]:
    """The messages of a kind in the outbox, as they arrive."""
    with database.writing() as connection:
        rows = [row for row in outbox.unsent(connection, 100) if row.kind == kind]
        outbox.note_sent(connection, rows)
    return [
        Message(Place(row.topic, 0, place), parse_message(row.value), row.value, row.attempt, row.token)
        for place, row in enumerate(rows)
    ]


def test_amounts_and_the_journal(ledger: Database) -> None:
    events = [event(1, value=LARGEST - 1, item=(LARGEST, 0)), event(2), event(3, "sale", 4), event(4, item=(1, 3))]
    assert apply(ledger, arriving(*events)) == Counts(applied=4)
    assert amounts(ledger) == {(1, 2): 6, (1, 3): 10, (LARGEST, 0): LARGEST - 1}
    with ledger.reading() as connection:
        journal = connection.execute(
            sa.select(schema.transactions).order_by(schema.transactions.c.transaction_id)
        ).all()
        assert [Event(*row[:6]) for row in journal] == events
        places = [(row.topic, row.partition, row.offset) for row in journal]
        assert places == [("events", 0, place) for place in range(4)]
        assert read.history(connection, 1, 2, 10)[-1].amount == 6
    state = state_of(ledger)
    assert (state.items, state.applied, state.foreign, state.waiting, state.errors) == (3, 4, 4, 0, 0)


def test_sums_beyond_64_bits_are_checked(ledger: Database) -> None:
    steps = [event(1, value=LARGEST)]
    for number in range(2, 8, 2):
        steps += [event(number, "sale", LARGEST), event(number + 1, value=LARGEST)]
    assert apply(ledger, arriving(*steps)) == Counts(applied=7)
    assert state_of(ledger).applied == 7


def test_duplicates_conflicts_and_what_is_no_event(ledger: Database) -> None:
    first = event(1)
    counts = apply(ledger, arriving(first, first, first._replace(value=11), ("date is missing",)))
    assert counts == Counts(applied=1, duplicates=1, errors=2)
    counts = apply(ledger, arriving(first, first._replace(store=9), first=4))
    assert counts == Counts(duplicates=1, errors=1)
    state = state_of(ledger)
    assert (state.applied, state.duplicates, state.errors) == (1, 2, 3)
    rows = ask(ledger, lambda connection: read.errors(connection, read.ErrorFilter()))
    assert [(row["kind"], row["reasons"], row["offset"]) for row in rows[::-1]] == [
        ("conflict", [f"transaction {first.transaction_id} was applied with another content"], 2),
        ("invalid", ["date is missing"], 3),
        ("conflict", [f"transaction {first.transaction_id} was applied with another content"], 5),
    ]
    assert (rows[1]["input"], rows[1]["is_base64"]) == ("/wA=", True)
    messages = sent(ledger, "error")
    assert b'"reasons": ["date is missing"]' in messages[1].input
    assert b'"input_base64": "/wA="' in messages[1].input
    assert b'"offset": 3' in messages[1].input


def test_a_sale_that_comes_too_early_is_tried_again(ledger: Database) -> None:
    assert apply(ledger, arriving(event(1, "sale", 4), event(2, value=1))) == Counts(applied=1, retried=1)
    assert state_of(ledger).waiting == 1
    (early,) = sent(ledger, "retry")
    assert early.attempt == 1
    assert apply(ledger, [early]) == Counts(retried=1)
    # A copy, because somebody died between sending and noting that.
    assert apply(ledger, [early, early]) == Counts(resent=2)
    (again,) = sent(ledger, "retry")
    assert again.attempt == 2
    assert apply(ledger, arriving(event(3, value=5), first=2)) == Counts(applied=1)
    assert apply(ledger, [again, again]) == Counts(applied=1, resent=1)
    assert apply(ledger, [again]) == Counts(resent=1)
    state = state_of(ledger)
    assert (state.applied, state.waiting, state.errors, state.foreign) == (3, 0, 0, 3)
    assert amounts(ledger) == {(1, 2): 2}


def test_what_never_can_be_applied_is_an_error_with_its_reason(ledger: Database) -> None:
    apply(ledger, arriving(event(1, value=LARGEST), event(2, "sale", 1, (5, 5)), event(3, value=1)))
    apply(ledger, arriving(event(4, value=1, item=(6, 6)), event(5, "sale", 2, (6, 6)), first=3))
    for attempt in (1, 2, 3):
        messages = sent(ledger, "retry")
        assert [message.attempt for message in messages] == [attempt] * 3
        apply(ledger, messages)
    assert sent(ledger, "retry") == []
    rows = ask(ledger, lambda connection: read.errors(connection, read.ErrorFilter()))
    assert sorted((row["kind"], row["attempt"], row["reasons"][0]) for row in rows) == [
        ("beyond amount", 3, "item 6 of store 6 has 1, less than 2"),
        ("overflow", 3, f"item 2 of store 1 has {LARGEST}: 1 more would exceed {LARGEST}"),
        ("unknown item", 3, "item 5 of store 5 is unknown"),
    ]
    assert state_of(ledger).errors == 3
    assert (5, 5) not in amounts(ledger)


def test_errors_that_are_sent_again(ledger: Database) -> None:
    fail = replace(RULES, policy=RetryPolicy(0))
    with ledger.writing() as connection:
        apply_messages(connection, arriving(event(1, "sale", 4), ("bad",), event(2, "sale", 5)), fail)
    apply(ledger, arriving(event(3, value=4), first=3))
    with ledger.writing() as connection:
        assert replay(connection, read.ErrorFilter(), "events") == (2, 1)
        assert replay(connection, read.ErrorFilter(), "events") == (0, 1)
    state = state_of(ledger)
    assert (state.errors, state.replayed, state.waiting) == (1, 2, 2)
    messages = sent(ledger, "replay")
    assert [message.attempt for message in messages] == [0, 0]
    assert apply(ledger, [*messages, *messages]) == Counts(applied=1, retried=1, resent=2)
    assert state_of(ledger).waiting == 1
    assert amounts(ledger) == {(1, 2): 0}


def test_lines_that_are_sent_again_are_taken_once(ledger: Database) -> None:
    with ledger.writing() as connection:
        file = files.begin(connection, "a" * 64, "a.csv", 100, "events")
    lines = [Message(Place("events", 0, line, file.key, line), event(line), b"") for line in range(2, 7)]
    assert apply(ledger, lines[:3]) == Counts(applied=3)
    again = [message._replace(place=message.place._replace(offset=10 + message.place.line)) for message in lines]
    assert apply(ledger, again) == Counts(applied=2, resent=3)
    step = files.Step(100, 6, 5, ((7, ("bad",), b"x"),), has_ended=True)
    with ledger.writing() as connection:
        assert files.advance(connection, file, step, "errors")
    with ledger.writing() as connection:
        assert not files.advance(connection, file, step, "errors")
    with ledger.writing() as connection, pytest.raises(LedgerError, match="another process"):
        files.advance(connection, file, files.Step(50, 3, 1, ()), "errors")
    state = state_of(ledger)
    assert (state.events, state.applied, state.errors, state.foreign) == (6, 5, 1, 0)
    with ledger.reading() as connection:
        assert list(files.rejected_lines(connection, file)) == [(7, '["bad"]')]


def test_a_partition_is_read_where_the_database_says(ledger: Database) -> None:
    with ledger.writing() as connection:
        assert positions.claim(connection, "events", "A", [0, 1]) == ({0: 0, 1: 0}, False)
    assert apply(ledger, arriving(event(1), event(2)), [Stretch("events", 0, 0, 2, 7)]).applied == 2
    with ledger.writing() as connection:
        assert positions.claim(connection, "events", "A", [0, 1]) == ({0: 2, 1: 0}, False)
    with pytest.raises(PositionMoved, match="is at 2"):
        apply(ledger, arriving(event(1), event(2), event(3)), [Stretch("events", 0, 0, 3, 7)])
    assert state_of(ledger).applied == 2
    assert [(row.partition, row.next_offset, row.lag) for row in ask(ledger, read.positions)] == [(0, 2, 5), (1, 0, 0)]
    with ledger.writing() as connection:
        assert positions.claim(connection, "events", "B", [0]) == ({0: 0}, True)
    with ledger.writing() as connection:
        assert positions.skip(connection, "events", 0, 1, 5) == 0
        assert positions.skip(connection, "events", 0, 0, 5) == 5
        assert positions.skip(connection, "events", 0, 5, 8) == 8
        assert check(connection).problems == ["events [0]: 3 messages were gone before they were read"]
        assert positions.skip(connection, "events", 0, 8, 5) == 5
        assert positions.claim(connection, "events", "", [0]) == ({0: 5}, False)


def test_two_instances_at_once(ledger: Database, database_config: DatabaseConfig) -> None:
    """Both get the same events, in other orders and portions, and new items all the time."""
    history = [event(number, item=(number % 3, number % 7)) for number in range(1, 201)]
    counts = [Counts(), Counts()]
    failures: list[BaseException] = []

    def work(place: int) -> None:
        database = Database(database_config.model_copy(update={"retry_seconds": 60}))
        ordered = history if place else history[::-1]
        try:
            for first in range(0, len(ordered), 20):
                counts[place].add(apply(database, arriving(*ordered[first : first + 20], topic=f"events{place}")))
        except BaseException as error:
            failures.append(error)
        database.close()

    threads = [threading.Thread(target=work, args=(place,)) for place in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [sum(vars(one).values()) for one in counts] == [200, 200]
    assert sum(one.applied for one in counts) == 200
    assert state_of(ledger).duplicates == 200
    assert sum(amounts(ledger).values()) == 2000


def test_a_check_finds_what_was_tampered_with(ledger: Database) -> None:
    apply(ledger, arriving(event(1), event(2, item=(3, 3)), ("bad",)))
    for statement, problem in (
        (sa.update(schema.items).where(schema.items.c.store_id == 1).values(amount=11), "the amount is 11, the sum"),
        (sa.delete(schema.items).where(schema.items.c.store_id == 1), "there is no amount"),
        (sa.delete(schema.transactions).where(schema.transactions.c.store_number == 1), "the journal has nothing"),
        (sa.update(schema.transactions).values(amount=9), "the sum of its journal 9"),
        (sa.delete(schema.errors), "there are 0 rows in the table of errors"),
        (sa.update(schema.tallies).values(seen=9), "there are 9 events that arrived"),
    ):  # fmt: skip
        with ledger.engine.connect() as connection:
            connection.execute(statement)
            state = check(connection)
            assert any(problem in found for found in state.problems), problem
            connection.rollback()
    assert state_of(ledger).applied == 2


def test_an_amount_is_never_negative_even_by_hand(ledger: Database) -> None:
    apply(ledger, arriving(event(1)))
    with pytest.raises(sa.exc.DBAPIError), ledger.engine.connect() as connection:
        connection.execute(sa.update(schema.items).values(amount=-1))


def contents(database: Database) -> dict[str, list[Any]]:
    """All rows of all tables, without what differs from time to time."""
    skipped = {"applied_at", "created_at", "updated_at", "not_before", "token", "id"}
    with database.reading() as connection:
        return {
            table.name: sorted(
                str([value for name, value in row._mapping.items() if name not in skipped])
                for row in connection.execute(sa.select(table))
            )
            for table in TABLES
        }


BATCH = arriving(event(1), event(2, "sale", 3), event(3, "sale", 99), ("bad",), event(1), event(4, item=(7, 7)))
STRETCH = [Stretch("events", 0, 0, 6, 6)]


def die(config: DatabaseConfig, at: int) -> None:
    """Apply a batch, and be killed before the given statement or commit."""
    database = Database(config)
    die_before(database, at)
    apply(database, BATCH, STRETCH)
    os._exit(0)


def test_a_batch_killed_at_any_statement_is_applied_whole_or_not_at_all(
    ledger: Database, database_config: DatabaseConfig
) -> None:
    with ledger.writing() as connection:
        positions.claim(connection, "events", "A", [0])
    before = contents(ledger)
    ledger.close()
    for at in count(1):
        if not was_killed(die, database_config, at):
            break
        found = contents(ledger)
        ledger.close()
        if found != before:
            break
        assert found == before
    with suppress(PositionMoved):
        apply(ledger, BATCH, STRETCH)
    after = contents(ledger)
    assert {name: len(rows) for name, rows in after.items()} == {
        "stores": 2, "items": 2, "transactions": 3, "tallies": 1, "errors": 1, "outbox": 2, "positions": 1,
    }  # fmt: skip
    state = state_of(ledger)
    assert (state.applied, state.duplicates, state.errors, state.waiting) == (3, 1, 1, 1)
    assert at > 10


def test_a_journal_that_changed_meanwhile_is_looked_at_again(ledger: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another instance applied the same event after we looked: the database refuses the second one."""
    apply(ledger, arriving(event(1)))
    from lurge.store.ledger import batch

    real = batch.amounts_for
    monkeypatch.setattr(batch, "amounts_for", lambda connection, events: type(real(connection, events))())
    with pytest.raises(StoreUnavailable, match="at the same time"), ledger.writing() as connection:
        apply_messages(connection, arriving(event(1), first=1), RULES)
    monkeypatch.undo()
    assert apply(ledger, arriving(event(1), first=1)) == Counts(duplicates=1)
    assert state_of(ledger).applied == 1


def test_overdue_events_are_sent_again_and_old_ones_forgotten(ledger: Database) -> None:
    apply(ledger, arriving(event(1, "sale", 4), event(2, "sale", 4)))
    first, second = sent(ledger, "retry")
    apply(ledger, arriving(event(3, value=4), first=2))
    assert apply(ledger, [first]).applied == 1
    long_ago = datetime(2020, 1, 1)
    with ledger.writing() as connection:
        connection.execute(sa.update(schema.outbox).values(sent_at=long_ago, not_before=long_ago))
        connection.execute(
            sa.update(schema.outbox).where(schema.outbox.c.done_at.is_not(None)).values(done_at=long_ago)
        )
        assert outbox.tidy(connection) == 1
    assert [message.token for message in sent(ledger, "retry")] == [second.token]
    with ledger.reading() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(schema.outbox)).scalar_one() == 1
    assert state_of(ledger).waiting == 1


def test_an_alert_never_passes_an_error_that_is_not_committed_yet(ledger: Database) -> None:
    """On a server, ids are given before they are committed, and not in that order."""
    fail = replace(RULES, policy=RetryPolicy(0))
    with ledger.writing() as connection:
        assert alerts.progress(connection, "out", timedelta(minutes=10)) == (0, None)
        alerts.note(connection, "out", 0, None)
        apply_messages(connection, arriving(event(1, "sale", 4), ("bad",), event(2, "sale", 5)), fail)
    newest = ask(ledger, alerts.newest_error)
    if ledger.dialect.has_one_writer:
        assert newest == 3
    else:
        assert newest == 0
        with ledger.writing() as connection:
            connection.execute(sa.update(schema.errors).values(created_at=datetime(2024, 1, 1)))
        assert ask(ledger, alerts.newest_error) == 3
    assert [tuple(row) for row in ask(ledger, lambda connection: alerts.ran_out(connection, 0, 3))] == [(1, 2, 2, None)]
    assert ask(ledger, lambda connection: alerts.ran_out(connection, 3, 3)) == []


def test_headers_of_other_programs_change_nothing(ledger: Database) -> None:
    with ledger.writing() as connection:
        file = files.begin(connection, "a" * 64, "a.csv", 100, "events")
    # An attempt counts only with the token of a row that waits.
    (sale,) = arriving(event(1, "sale"))
    assert apply(ledger, [sale._replace(attempt=99)]) == Counts(retried=1)
    (early,) = sent(ledger, "retry")
    assert early.attempt == 1
    # A token counts only with the event that it was given to.
    other = event(2, value=3)
    assert apply(ledger, [early._replace(event=other, input=json_of(other))]) == Counts(applied=1)
    assert state_of(ledger).waiting == 1
    # A retry that another ledger sent is in the topic of events, too.
    foreign = early._replace(token="f" * 32)
    assert apply(ledger, [foreign]) == Counts(resent=1)
    assert apply(ledger, [early]) == Counts(retried=1)
    # A line that nobody has had is taken, whatever another program said before.
    lie = Message(Place("events", 0, 5, file.key, 10**12), event(3), b"")
    lines = [Message(Place("events", 0, 6 + line, file.key, line), event(10 + line), b"") for line in (2, 3)]
    assert apply(ledger, [lie, *lines, *lines]) == Counts(applied=3, resent=2)


def test_isolation_is_that_which_amounts_need(ledger: Database) -> None:
    """Two instances bring stock of one new item: neither overwrites the other, whatever the server's default is."""
    with ledger.writing() as connection:
        assert "READ COMMITTED" not in connection.get_isolation_level()


def test_a_relay_leaves_what_is_done_without_a_broker(ledger: Database) -> None:
    local = replace(RULES, retry_topic="", errors_topic="")
    with ledger.writing() as connection:
        apply_messages(connection, [Message(Place("", 0, 0), event(1, "sale"), b"x")], local)
        rows = outbox.waiting(connection, 10)
        messages = [
            Message(Place("", 0, 0), parse_message(row.value), row.value, row.attempt, row.token) for row in rows
        ]
        last = replace(local, policy=RetryPolicy(0))
        assert apply_messages(connection, messages, last) == Counts(errors=1)
        assert outbox.unsent(connection, 10) == []
    (error,) = ask(ledger, lambda connection: read.errors(connection, read.ErrorFilter()))
    assert (error["input"], error["topic"]) == ("x", None)


def test_instances_are_not_in_each_others_way(postgres: PostgreSql) -> None:
    """Two partitions of one file, in two transactions that are open at the same time."""
    first, second = (Database(DatabaseConfig(url=postgres.url("ledger_beside"), retry_seconds=0)) for _ in range(2))
    postgres.new_database("ledger_beside")
    upgrade(first, LEDGER)
    with first.writing() as connection:
        file = files.begin(connection, "a" * 64, "a.csv", 100, "events")
    lines = [
        [Message(Place("events", part, line, file.key, 2 * line + part), event(9 * line + part, item=(1, part)), b"")
         for line in (1, 2, 3)]
        for part in (0, 1)
    ]  # fmt: skip
    # The store is there: only the first batches of a new one conflict.
    assert apply(first, [lines[0][0]]).applied == apply(first, [lines[1][0]]).applied == 1
    with first.writing() as connection, second.writing() as other:
        other.execute(sa.text("SET LOCAL lock_timeout = '2s'"))
        for place in (1, 2):
            assert apply_messages(connection, [lines[0][place]], RULES).applied == 1
            assert apply_messages(other, [lines[1][place]], RULES).applied == 1
    assert state_of(first).applied == 6
    first.close()
    second.close()
