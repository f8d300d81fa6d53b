"""The ledger: amounts of items, an item's history, and events that could not be applied.

It is not divided by group: only who sees all groups sees it. Errors can be sent again by administrators.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import BeforeValidator, Field

from lurge.display import counted
from lurge.errors import PageError
from lurge.model.event import LARGEST, EventType
from lurge.store.ledger import read
from lurge.store.ledger.read import Change, ErrorFilter, ItemFilter
from lurge.view.context import Context
from lurge.view.table import ALL, MOST_ROWS, Column, Row, Table, first_rows, table_of
from lurge.view.view import Action, Asked, Fact, Page, Plot, View, address, or_none

EMPTY = "No event was applied yet. `lurge ledger apply FILE` applies those of a file."
MOST_CHANGES = 5000
"""Changes of an item that a page plots, the newest."""

LONGEST_INPUT = 500
"""Characters of an input that a table shows."""

Number = Annotated[Annotated[int, Field(ge=0, le=LARGEST)] | None, BeforeValidator(or_none)]


class AskedItems(Asked):
    """The choice of items."""

    store: Number = Field(None, description="Number of the store.")
    item: Number = Field(None, description="Number of the item.")
    below: Number = Field(None, title="Amount below", description="Only items of which there is less.")


class AskedItem(Asked):
    """The choice of an item."""

    store: int = Field(0, ge=0, le=LARGEST, description="Number of the store.")
    item: int = Field(0, ge=0, le=LARGEST, description="Number of the item.")


class AskedErrors(Asked):
    """The choice of errors."""

    kind: str = Field("", description="Why it was not applied.")
    store: Number = Field(None, description="Number of the store.")
    item: Number = Field(None, description="Number of the item.")
    transaction: str = Field("", description="Id of the transaction.")
    file: str = Field("", description="Name of the file.")
    id: Number = Field(None, description="Id of the error.")
    until: Number = Field(None, description="Largest id of an error.")
    sent: Number = Field(None, description="Errors that were just sent again.")

    @property
    def filter(self) -> ErrorFilter:
        """The errors that are chosen."""
        ids = () if self.id is None else (self.id,)
        # An error that was sent again is shown if it is asked for by its id.
        return ErrorFilter(
            ids, self.kind, self.store, self.item, self.transaction, self.file, until=self.until, is_open=not ids
        )


def to_item(row: Row) -> str | None:
    """The address of an item."""
    store, item = row.get("store"), row.get("item")
    return None if store is None or item is None else address("/ledger/item", store=str(store), item=str(item))


def to_error(row: Row) -> str:
    """The address of an error."""
    return address("/ledger/errors", id=str(row["id"]))


STORE = Column("store", "Store", "count", link=lambda row: address("/ledger", store=str(row["store"])))
ITEM = Column("item", "Item", "count", link=to_item)
AMOUNT = Column("amount", "Amount", "count")
PARTITIONS = (
    Column("topic", "Topic"), Column("partition", "Partition", "count"), Column("next_offset", "Position", "count"),
    Column("lag", "Lag", "count", help="Messages that are not read yet, when the partition was read last"),
    Column("updated", "Read last (UTC)"),
)  # fmt: skip
FILES = (
    Column("file", "File", link=lambda row: address("/ledger/errors", file=row["file"]) if row["rejected"] else None),
    Column("sent", "Events", "count"), Column("rejected", "Rejected", "count"), Column("begun", "Begun (UTC)"),
    Column("done", "Done (UTC)"),
)  # fmt: skip
CHANGES = (
    Column("date", "Date (UTC)"), Column("event", "Event"), Column("value", "Value", "count"), AMOUNT,
    Column("applied", "Applied (UTC)"), Column("transaction", "Transaction"),
)  # fmt: skip
ERRORS = (
    Column("id", "Error", "count", link=to_error), Column("created", "Time (UTC)"), Column("kind", "Kind"),
    Column("store", "Store", "count"), Column("item", "Item", "count", link=to_item),
    Column("reasons", "Reasons"), Column("place", "From"), Column("transaction", "Transaction"),
    Column("input", "Input"),
)  # fmt: skip


def make(context: Context, asked: AskedItems) -> View:
    """The amounts of items, and how far everything is. Raises PageError."""
    context.need_all("the ledger is")
    with context.ledger() as connection:
        if not read.has_ledger(connection):
            return View("Ledger", tables=[Table("items", "Items", (STORE, ITEM, AMOUNT), [], 0, EMPTY, asked.order)])
        wanted = ItemFilter(asked.store, asked.item, asked.below)
        order = asked.order
        amounts = read.amounts(connection, wanted, order.size, order.start, asked.sort)
        total = read.count_items(connection, wanted)
        open_errors, waiting = read.count_errors(connection, ErrorFilter()), read.count_waiting(connection)
        partitions, files = partition_rows(connection), file_rows(connection)
        applied = read.count_applied(connection)
    lag = sum(row["lag"] for row in partitions)
    sentences = []
    if open_errors:
        sentences.append(f"{counted(open_errors, 'event')} could not be applied.")
    if waiting:
        sentences.append(f"{counted(waiting, 'event')} will be tried again.")
    return View(
        "Ledger",
        sentences,
        facts=[
            Fact("items", total, "count"),
            Fact("events applied", applied, "count"),
            Fact("errors", open_errors, "count", "/ledger/errors", level=3 if open_errors else 0),
            Fact("waiting", waiting, "count"),
            Fact("lag", lag, "count"),
        ],
        tables=[
            Table("items", "Items", (STORE, ITEM, AMOUNT), [row._asdict() for row in amounts], total,
                  EMPTY if not applied else "No item is like that.", order),
            table_of("partitions", "Partitions", PARTITIONS, partitions, ALL, "No service has read a topic yet."),
            first_rows("files", "Files", FILES, files, 10, "No file was read yet."),
        ],
    )  # fmt: skip


def partition_rows(connection: sa.Connection) -> list[dict[str, Any]]:
    """A row for each partition."""
    return [
        {"topic": row.topic, "partition": row.partition, "next_offset": row.next_offset, "lag": row.lag,
         "updated": moment(row.updated_at)}
        for row in read.positions(connection)
    ]  # fmt: skip


def file_rows(connection: sa.Connection) -> list[dict[str, Any]]:
    """A row for each of the newest files."""
    return [
        {"file": row.name, "sent": row.sent, "rejected": row.rejected, "begun": moment(row.begun_at),
         "done": moment(row.done_at)}
        for row in read.files(connection, 1000)
    ]  # fmt: skip


def moment(value: Any) -> str | None:
    """A time to the second."""
    return value.isoformat(" ", "seconds") if value else None


def make_item(context: Context, asked: AskedItem) -> View:
    """The history of an item. Raises PageError."""
    context.need_all("the ledger is")
    with context.ledger() as connection:
        has_ledger = read.has_ledger(connection)
        amounts = read.amounts(connection, ItemFilter(asked.store, asked.item)) if has_ledger else []
        if not amounts:
            raise PageError(
                f"there is no item {asked.item} in store {asked.store}", "Choose one from the list of items."
            )
        changes = read.history(connection, asked.store, asked.item, MOST_CHANGES)
        errors = read.count_errors(connection, ErrorFilter(store=asked.store, item=asked.item))
    rows = [
        {"date": moment(change.date), "event": change.event, "value": change.value, "amount": change.amount,
         "applied": moment(change.applied), "transaction": change.transaction_id}
        for change in changes
    ]  # fmt: skip
    many = f" Only the newest {MOST_CHANGES:,} changes are shown." if len(changes) == MOST_CHANGES else ""
    return View(
        f"Item {asked.item} of store {asked.store}",
        [
            f"The table has the amount after each event, in the order in which they were applied. The plot has the"
            f" events by their dates: if a sale is dated before its stock, the line is below 0 there.{many}"
        ],
        facts=[
            Fact("amount", amounts[0].amount, "count"),
            Fact("errors", errors, "count", address("/ledger/errors", store=str(asked.store), item=str(asked.item))),
        ],
        plots=[plot(changes, amounts[0].amount)] if changes else [],
        tables=[table_of("changes", "Changes", CHANGES, rows[::-1], asked.order)],
        crumbs=[("Ledger", "/ledger"), (f"Store {asked.store}", address("/ledger", store=str(asked.store)))],
    )


def plot(changes: Sequence[Change], present: int) -> Plot:
    """The amount over time, by the dates of events."""
    in_order = sorted(changes, key=lambda change: change.date)
    steps = [change.value if change.event == EventType.INCOMING else -change.value for change in in_order]
    before = present - sum(steps)
    line = {"type": "scatter", "mode": "lines", "line": {"shape": "hv"}, "name": "amount",
            "x": [moment(change.date) for change in in_order],
            "y": [before + so_far for so_far in accumulate(steps)]}  # fmt: skip
    layout = {"xaxis": {"title": {"text": "date"}}, "yaxis": {"title": {"text": "amount"}}}
    return Plot("history", "The amount over time, by the dates of events", {"data": [line], "layout": layout})


def make_errors(context: Context, asked: AskedErrors) -> View:
    """Events that could not be applied. Raises PageError."""
    context.need_all("the ledger is")
    wanted, order = asked.filter, asked.order
    with context.ledger() as connection:
        if not read.has_ledger(connection):
            return View("Errors", tables=[Table("errors", "Errors", ERRORS, [], 0, EMPTY, order)])
        found = read.errors(connection, wanted, min(order.size, MOST_ROWS), order.start, asked.sort or "-id")
        total = read.count_errors(connection, wanted)
        newest = read.newest_error(connection, wanted)
        can_replay = read.count_replayable(connection, wanted)
        kinds = read.error_kinds(connection)
    chosen = {**asked.model_dump(include={*FILTERS}), "until": newest}
    given = {name: str(value) for name, value in chosen.items() if value not in (None, "")}
    actions = [Action(f"Send {counted(can_replay, 'event')} again", "/ledger/replay", given)] if can_replay else []
    return View(
        "Errors",
        [sentence_of(context, asked.sent)] if asked.sent is not None else [],
        tables=[
            Table("errors", "Errors", ERRORS, [error_row(row) for row in found], total, "No error is open.", order)
        ],
        crumbs=[("Ledger", "/ledger")],
        choices={"kind": kinds},
        actions=actions if context.person.is_admin else [],
    )


def sentence_of(context: Context, sent: int) -> str:
    """What becomes of errors that were sent again."""
    if context.config.ledger.broker:
        return f"{counted(sent, 'event')} will be sent again."
    return f"{counted(sent, 'event')} will be applied by the next `lurge ledger apply`, `replay` or `serve`."


FILTERS = ("kind", "store", "item", "transaction", "file", "id", "until")
"""The fields of the form that sends errors again."""


def error_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row for an error."""
    place = f"{row['file']}, line {row['line']}" if row["file"] else None
    topic = f"{row['topic']} [{row['partition']}] at {row['offset']}" if row["topic"] else None
    text = row["input"]
    return {
        "id": row["id"], "created": moment(row["created_at"]), "kind": row["kind"], "store": row["store_number"],
        "item": row["item_number"], "reasons": "; ".join(row["reasons"]),
        "place": "; ".join(filter(None, [place, topic])), "transaction": row["transaction_id"],
        "input": text if len(text) <= LONGEST_INPUT else f"{text[:LONGEST_INPUT]}...",
    }  # fmt: skip


PAGE = Page("/ledger", "ledger", AskedItems, make, menu="Ledger", form=("store", "item", "below"))
ITEM_PAGE = Page("/ledger/item", "ledger/item", AskedItem, make_item)
ERRORS_PAGE = Page(
    "/ledger/errors", "ledger/errors", AskedErrors, make_errors, form=("kind", "store", "item", "transaction", "file")
)
