"""The ledger: amounts of items, an item's history, and events that could not be applied.

It is not divided by group: only who sees all groups sees it. Errors can be sent again by administrators.
"""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from pydantic import BeforeValidator, Field

from lurge.display import counted
from lurge.errors import PageError
from lurge.model.event import LARGEST
from lurge.store.ledger import read
from lurge.store.ledger.read import ErrorFilter, ItemFilter
from lurge.view.context import Context
from lurge.view.table import ALL, MOST_ROWS, Column, Order, Row, Table, first_rows, table_of
from lurge.view.view import Action, Asked, Fact, Page, Plot, View, address, or_none

EMPTY = "No event was applied yet. `lurge ledger apply FILE` applies those of a file."
MOST_CHANGES = 5000
"""Changes of an item that a page plots, the newest."""

LONGEST_INPUT = 500
"""Characters of an input that a table shows."""

Number = Annotated[int | None, BeforeValidator(or_none), Field(ge=0, le=LARGEST)]


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

    @property
    def filter(self) -> ErrorFilter:
        ids = () if self.id is None else (self.id,)
        # An error that was sent again is shown if it is asked for by its id.
        return ErrorFilter(ids, self.kind, self.store, self.item, self.transaction, self.file, is_open=not ids)


def to_item(row: Row) -> str | None:
    store, item = row.get("store"), row.get("item")
    return None if store is None or item is None else address("/ledger/item", store=str(store), item=str(item))


def to_error(row: Row) -> str:
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


def need_all(context: Context) -> None:
    """Raise PageError for a person who does not see all groups."""
    if not context.person.sees_all:
        raise PageError("the ledger is shown to administrators only", "Ask one of them.")


def make(context: Context, asked: AskedItems) -> View:
    """The amounts of items, and how far everything is. Raises PageError."""
    need_all(context)
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
        sentences.append(f"{counted(waiting, 'event')} came too early, and will be tried again.")
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
    need_all(context)
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
        [f"The amounts are in the order in which the events were applied.{many}"],
        facts=[
            Fact("amount", amounts[0].amount, "count"),
            Fact("errors", errors, "count", address("/ledger/errors", store=str(asked.store), item=str(asked.item))),
        ],
        plots=[plot(rows)] if rows else [],
        tables=[table_of("changes", "Changes", CHANGES, rows[::-1], asked.order)],
        crumbs=[("Ledger", "/ledger"), (f"Store {asked.store}", address("/ledger", store=str(asked.store)))],
    )


def plot(rows: list[dict[str, Any]]) -> Plot:
    """The amount over time."""
    line = {"type": "scatter", "mode": "lines", "line": {"shape": "hv"}, "x": [row["applied"] for row in rows],
            "y": [row["amount"] for row in rows], "name": "amount"}  # fmt: skip
    layout = {"xaxis": {"title": {"text": "applied"}}, "yaxis": {"title": {"text": "amount"}}}
    return Plot("history", "The amount over time", {"data": [line], "layout": layout})


def make_errors(context: Context, asked: AskedErrors) -> View:
    """Events that could not be applied. Raises PageError."""
    need_all(context)
    wanted, order = asked.filter, asked.order
    with context.ledger() as connection:
        if not read.has_ledger(connection):
            return View("Errors", tables=[Table("errors", "Errors", ERRORS, [], 0, EMPTY, order)])
        rows = [error_row(row) for row in read.errors(connection, wanted, min(order.size, MOST_ROWS), order.start)]
        total = read.count_errors(connection, wanted)
        can_replay = read.count_replayable(connection, wanted)
        kinds = read.error_kinds(connection)
    given = {
        name: str(value) for name, value in asked.model_dump(include=set(FILTERS)).items() if value not in (None, "")
    }
    label = f"Send {counted(can_replay, 'event')} again"
    return View(
        "Errors",
        tables=[Table("errors", "Errors", ERRORS, rows, total, "No error is open.", Order("", order.page, order.size))],
        crumbs=[("Ledger", "/ledger")],
        choices={"kind": kinds},
        actions=[Action(label, "/ledger/replay", given)] if can_replay and context.person.is_admin else [],
    )


FILTERS = ("kind", "store", "item", "transaction", "file", "id")


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
