"""Adoption of the works that the older tool counted, without losing a row.

The older tool's tables have the same names. Its names are not unique, a work has one row in each state whatever its
project, dates are times, and values that it did not know are NULL. These tables are renamed, and their rows copied into
lurge's tables with their keys. Of a name with several keys, the first one is kept. Afterwards the old tables stay as
`older_...`. Its procedure still works: what it adds is taken in by the next job that stores works.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa

from lurge.errors import StoreError
from lurge.model.names import storable_name
from lurge.model.works import LONGEST_NAME, PUBLISH_STATES, STATES
from lurge.store.database.bulk import insert_rows, next_id
from lurge.store.database.dialect import dialect_of
from lurge.store.works import schema
from lurge.store.works.keys import Keys
from lurge.store.works.older import ASIDE, KEPT, TABLES, begun, recognises
from lurge.store.works.takeover import take_over
from lurge.store.works.walked import UNKNOWN

__all__ = ["begun", "bring_over", "clear_away", "recognises", "set_aside"]

NAMES = (schema.hosts, schema.projects, schema.works)
STATE_NAMES = ((schema.process_states, STATES), (schema.publish_states, PUBLISH_STATES))
BATCH = 5_000

log = logging.getLogger(__name__)

Moved = dict[int, int]
"""The new key of each old one."""


def set_aside(connection: sa.Connection) -> None:
    """Rename the older tool's tables, and disable its events. On MySQL the renaming is one statement, which is atomic.

    Its events would compute the history from tables that are not there any more.
    """
    present = set(sa.inspect(connection).get_table_names())
    names = [table.name for table in TABLES if table.name in present]
    log.info("adopting the works of the older tool: %s", ", ".join(names))
    for event in dialect_of(connection).disable_events(connection, [table.name for table in TABLES]):
        log.warning("the event %s of the older tool is disabled: lurge computes the history itself", event)
    dialect_of(connection).set_aside(connection, {name: ASIDE + name for name in names})


def bring_over(connection: sa.Connection) -> None:
    """Copy every row that was set aside, in one transaction. Raises StoreError if a row would be lost."""
    aside = tables_aside(connection)
    # States are copied in the same transaction as all else, and there always are some.
    if not aside or next_id(connection, schema.process_states) > 1:
        return
    moved = {table.name: copy_names(connection, aside, table) for table in NAMES if table.name in aside}
    for table, known in STATE_NAMES:
        moved[table.name] = copy_states(connection, aside, table, known)
    copy_work_states(connection, aside, moved)
    copy_published(connection, aside, moved)
    copy_history(connection, aside, moved)
    for table in TABLES:
        dialect_of(connection).advance_keys(connection, table)
    take_over(connection, Keys(connection, now()))


def clear_away(connection: sa.Connection) -> None:
    """Rename the tables that were set aside once more: they stay until somebody drops them."""
    names = {ASIDE + name: KEPT + name for name in tables_aside(connection)}
    if names:
        dialect_of(connection).set_aside(connection, names)
        log.info("the tables of the older tool are kept as %s", ", ".join(names.values()))


def now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


def tables_aside(connection: sa.Connection) -> dict[str, sa.Table]:
    """Return the tables that are set aside, by their original names."""
    metadata = sa.MetaData()
    present = set(sa.inspect(connection).get_table_names())
    return {
        table.name: sa.Table(ASIDE + table.name, metadata, autoload_with=connection, resolve_fks=False)
        for table in TABLES
        if ASIDE + table.name in present
    }


def rows_of(connection: sa.Connection, table: sa.Table | None) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table that is set aside, in the order of its first column; none without the table."""
    if table is not None:
        query = sa.select(table).order_by(next(iter(table.columns)))
        yield from (dict(row) for row in connection.execute(query).mappings())


def copy_names(connection: sa.Connection, aside: dict[str, sa.Table], table: sa.Table) -> Moved:
    """Copy a table of names: each name once. A key without a row, or without a name, gets the name `unknown KEY`."""
    key, name = (column.name for column in list(table.columns)[:2])
    rows = list(rows_of(connection, aside[table.name]))
    rows.sort(key=lambda row: row[key])
    rows += [{key: number, name: None} for number in dangling(connection, aside, table, {row[key] for row in rows})]
    kept: dict[str, int] = {}
    moved: Moved = {}
    copied = []
    for row in rows:
        text = f"{UNKNOWN} {row[key]}" if row[name] is None else storable_name(row[name], LONGEST_NAME)
        if text not in kept:
            kept[text] = row[key]
            copied.append((row[key], text, row.get("create_time"), row.get("update_time")))
        moved[row[key]] = kept[text]
    insert_rows(connection, table, (key, name, "create_time", "update_time"), map(as_texts, copied))
    if len(copied) < len(rows):
        log.warning("%s: %d names had several keys, and have one now", table.name, len(rows) - len(copied))
    return moved


def dangling(connection: sa.Connection, aside: dict[str, sa.Table], table: sa.Table, known: set[int]) -> list[int]:
    """Return the keys of `table` that other tables refer to, and that it does not have."""
    key = next(iter(table.primary_key))
    keys: set[int] = set()
    for other in TABLES:
        for foreign in other.foreign_keys:
            column = foreign.parent.name
            if foreign.column is key and other.name in aside and column in aside[other.name].c:
                keys.update(connection.execute(sa.select(aside[other.name].c[column]).distinct()).scalars())
    return sorted(number for number in keys - known if number is not None)


def copy_states(connection: sa.Connection, aside: dict[str, sa.Table], table: sa.Table, known: dict[str, str]) -> Moved:
    """Copy states. One that differs from a built-in one only by its case gets the name of that."""
    key = next(iter(table.primary_key)).name
    spelled = {name.casefold(): name for name in known}
    rows = list(rows_of(connection, aside.get(table.name)))
    missing = dangling(connection, aside, table, {row[key] for row in rows})
    rows += [{key: number, "state_name": None, "state_desc": None} for number in missing]
    kept: dict[str, int] = {}
    moved: Moved = {}
    for row in rows:
        name = (row["state_name"] or f"{UNKNOWN} {row[key]}").strip()
        name = spelled.get(name.casefold(), name)
        if name not in kept:
            kept[name] = row[key]
            described = row["state_desc"] or known.get(name, name)
            connection.execute(sa.insert(table).values({key: row[key], "state_name": name, "state_desc": described}))
        moved[row[key]] = kept[name]
    for number, name in enumerate(known.keys() - kept.keys(), max(moved, default=0) + 1):
        connection.execute(sa.insert(table).values({key: number, "state_name": name, "state_desc": known[name]}))
    return moved


@dataclass
class Merged:
    """Rows that became one: the newest, and what all of them say. The older tool had no keys in some databases."""

    row: dict[str, Any]
    first: date | None
    last: date | None
    count: int
    merged: int = field(default=1)

    def add(self, other: Merged) -> None:
        """Take another row of the same work and state."""
        if other.last and (self.last is None or other.last > self.last):
            self.row, self.last = other.row, other.last
        self.first = min((day for day in (self.first, other.first) if day), default=None)
        self.count += other.count
        self.merged += other.merged


def store_merged(
    connection: sa.Connection, table: sa.Table, rows: Iterable[tuple[tuple[int, ...], Merged]], expected: int,
    columns: Sequence[str], created: str,
) -> None:  # fmt: skip
    """Merge rows by their keys, and store them. Raises StoreError if a row is lost.

    columns: of the keys, and of the first and the last date. created: of the date of creation.
    """
    found: dict[tuple[int, ...], Merged] = {}
    for key, one in rows:
        if key in found:
            found[key].add(one)
        else:
            found[key] = one
    total = sum(one.merged for one in found.values())
    if total != expected:
        raise StoreError(f"{table.name}: {total} of {expected} rows of the older tool were copied")
    if total > len(found):
        log.warning("%s: %d rows were of works that had several, which are one now", table.name, total - len(found))
    kept = ("image_count", "create_time", "update_time")
    insert_rows(connection, table, (*columns, "obs_count", "older_count", "older_first", created, *kept), (
        as_texts((*key, one.first, one.last, one.count, one.count - 1, one.first, as_date(one.row.get(created)),
                  *map(one.row.get, kept)))
        for key, one in found.items()
    ))  # fmt: skip


def with_keys(
    connection: sa.Connection, old: sa.Table | None, table: sa.Table, keys: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the rows that have all keys. The others say nothing, and stay in the older table only."""
    rows = list(rows_of(connection, old))
    found = [row for row in rows if all(row.get(key) is not None for key in keys)]
    if len(found) < len(rows):
        log.warning("%s: %d rows without %s are left out", table.name, len(rows) - len(found), " or ".join(keys))
    return found


def copy_work_states(connection: sa.Connection, aside: dict[str, sa.Table], moved: dict[str, Moved]) -> None:
    """Copy the states of works. The oldest tables have one date of observation, `obs_date`."""
    table = schema.process_work_states
    keys = ("process_work_id", "process_state_id", "process_project_id", "process_host_id")
    places = ("process_works", "process_states", "process_projects", "process_hosts")
    known = with_keys(connection, aside.get(table.name), table, keys)

    def rows() -> Iterator[tuple[tuple[int, ...], Merged]]:
        for row in known:
            last = as_date(row.get("last_obs_date", row.get("obs_date")))
            first = as_date(row.get("first_obs_date", row.get("obs_date"))) or last
            place = tuple(moved[names][row[key]] for names, key in zip(places, keys, strict=True))
            yield place, Merged(row, first, last, row.get("obs_count") or 1)

    columns = (*keys, "first_obs_date", "last_obs_date")
    store_merged(connection, table, rows(), len(known), columns, "process_create_date")


def copy_published(connection: sa.Connection, aside: dict[str, sa.Table], moved: dict[str, Moved]) -> None:
    """Copy the states of published works. Without host and project, they get those named `unknown`."""
    table = schema.publish_work_states
    known = with_keys(connection, aside.get(table.name), table, ("publish_work_id", "publish_state_id"))
    unknown = Keys(connection, now())

    def rows() -> Iterator[tuple[tuple[int, ...], Merged]]:
        for row in known:
            last = as_date(row.get("obs_date"))
            host, project = row.get("process_host_id"), row.get("process_project_id")
            place = (
                moved["process_works"][row["publish_work_id"]], moved["publish_states"][row["publish_state_id"]],
                unknown.added(schema.hosts, UNKNOWN) if host is None else moved["process_hosts"][host],
                unknown.added(schema.projects, UNKNOWN) if project is None else moved["process_projects"][project],
            )  # fmt: skip
            yield place, Merged(row, as_date(row.get("first_obs_date")) or last, last, row.get("obs_count") or 1)

    columns = (
        "publish_work_id",
        "publish_state_id",
        "process_host_id",
        "process_project_id",
        "first_obs_date",
        "obs_date",
    )
    store_merged(connection, table, rows(), len(known), columns, "publish_create_date")


def copy_history(connection: sa.Connection, aside: dict[str, sa.Table], moved: dict[str, Moved]) -> None:
    """Copy the histories. Rows that became equal by merged names are summed; rows without a date are left out."""
    of_process = {"process_state_id": "process_states", "process_project_id": "process_projects"}
    for table, keys in (
        (schema.process_count_history, of_process),
        (schema.publish_count_history, {"publish_state_id": "publish_states"}),
    ):
        sums: dict[tuple[Any, ...], dict[str, Any]] = {}
        for row in with_keys(connection, aside.get(table.name), table, (*keys, "last_obs_date")):
            day = as_date(row.get("last_obs_date"))
            place = (day, *(moved[names][row[key]] for key, names in keys.items()))
            known = sums.get(place)
            if known is None:
                sums[place] = row
            else:
                for name in ("image_count", "work_count"):
                    known[name] = (known.get(name) or 0) + (row.get(name) or 0)
        others = [name for name in ("image_count", "work_count", "created_time", "updated_time") if name in table.c]
        insert_rows(connection, table, ("last_obs_date", *keys, *others, "is_adopted"), (
            as_texts((*place, *(row.get(name) for name in others), 1)) for place, row in sums.items()
        ))  # fmt: skip


def as_date(value: Any) -> date | None:
    """A date, from a date or a time."""
    return value.date() if isinstance(value, datetime) else value


def as_texts(row: Sequence[Any]) -> tuple[Any, ...]:
    """A row for a bulk insert, with dates and times as texts."""
    return tuple(str(value) if isinstance(value, date) else value for value in row)
