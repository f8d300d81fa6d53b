"""Adding a load to the table: one commit, which is there whole or not at all."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from lurge.errors import LakeError
from lurge.model.inventory import LOAD_COLUMNS, Inventory
from lurge.store.lake.catalog import Lake, told
from lurge.store.lake.loads import Load, all_loads

if TYPE_CHECKING:
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.table import Table

ATTEMPTS = 30
LONGEST_SLEEP = 2.0

T = TypeVar("T")

log = logging.getLogger(__name__)


def commit_load(lake: Lake, inventory: Inventory, load: Load, paths: list[str], force: bool) -> Load | None:
    """Add the files of a load; returns it as it is stored, None if it was loaded before.

    force: replace the rows of an earlier load of the same inventory. Raises LakeError.
    """

    def add_once(table: Table) -> Load | None:
        loads = all_loads(lake, table)
        earlier = loads.get(inventory.identity)
        if earlier and earlier.loaded == load.loaded:
            # The last attempt did commit, and its answer was lost.
            return earlier
        if earlier and not force:
            check_same(inventory, earlier)
            return None
        check_alone(inventory, table, loads.values(), earlier)
        known = [field.name for field in table.schema().fields if field.name not in LOAD_COLUMNS]
        stored = replace(load, missing_columns=tuple(name for name in known if name not in load.columns))
        add(table, stored, paths, earlier)
        return stored

    return committed(lake, add_once)


def add_columns(lake: Lake, names: Sequence[str]) -> None:
    """Add columns of texts, unless the table has them. Raises LakeError."""
    from pyiceberg.types import StringType

    def add_once(table: Table) -> None:
        known = {field.name for field in table.schema().fields}
        with table.update_schema() as update:
            for name in names:
                if name not in known:
                    update.add_column((name,), StringType())

    committed(lake, add_once)


def committed(lake: Lake, change: Callable[[Table], T]) -> T:
    """Change the table, which is loaded anew for each attempt: another load may commit first. Raises LakeError."""
    from pyiceberg.exceptions import CommitFailedException

    for attempt in range(ATTEMPTS):
        try:
            with told(lake.place):
                try:
                    return change(lake.table())
                except CommitFailedException as error:
                    log.debug("%s: %s", lake.place, error)
        except LakeError as error:
            if not is_busy(error):
                raise
        time.sleep(random.uniform(0, min(LONGEST_SLEEP, 0.05 * 2**attempt)))  # noqa: S311  no secret
    raise LakeError(f"{lake.place}: other loads committed first, {ATTEMPTS} times", "Run it again.")


def is_busy(error: LakeError) -> bool:
    """True if SQLite was locked by another process for too long."""
    return "database is locked" in error.message


def check_same(inventory: Inventory, earlier: Load) -> None:
    """Raise LakeError if a manifest is not the one that was loaded."""
    if inventory.content and earlier.content and inventory.content != earlier.content:
        raise LakeError(
            f"{inventory.address}: it changed since it was loaded, on {earlier.loaded:%Y-%m-%d}",
            "Load it again with --force: its rows are replaced.",
        )


def check_alone(inventory: Inventory, table: Table, loads: Iterable[Load], earlier: Load | None) -> None:
    """Raise LakeError if rows of another load have the same source and time: nobody could tell them apart."""
    for load in loads:
        if (load.source, load.time) == (inventory.source, inventory.time) and load.identity != inventory.identity:
            raise LakeError(
                f"{inventory.address}: {load.address} has the same source and time, {inventory.time.isoformat()}",
                "Give another --time or --name.",
            )
    if earlier is None and any(True for _ in table.scan(rows_of(inventory.source, inventory.time)).plan_files()):
        raise LakeError(
            f"{inventory.address}: its rows are there, and the note of its load is not",
            "Another program may have expired snapshots. Remove these rows, then load it again.",
        )


def rows_of(source: str, time: datetime) -> BooleanExpression:
    """The condition on the rows of a load."""
    from pyiceberg.expressions import And, EqualTo

    return And(EqualTo(term="inventory_source", value=source), EqualTo(term="inventory_time", value=time.isoformat()))


def add(table: Table, load: Load, paths: list[str], earlier: Load | None) -> None:
    """Add files, instead of the rows of an earlier load, in one commit."""
    with table.transaction() as transaction:
        if earlier:
            transaction.delete(rows_of(earlier.source, earlier.time))
        transaction.add_files(paths, load.as_property(), check_duplicate_files=False)
