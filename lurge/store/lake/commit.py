"""Adding a load to the table: one commit, which is there whole or not at all."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from lurge.errors import LakeError
from lurge.model.inventory import COLUMNS, LOAD_COLUMNS, Inventory
from lurge.store.lake.catalog import Lake, told
from lurge.store.lake.loads import Load, all_loads

if TYPE_CHECKING:
    from pyiceberg.table import Table

ATTEMPTS = 30
LONGEST_SLEEP = 2.0


def commit_load(lake: Lake, inventory: Inventory, load: Load, paths: list[str], force: bool) -> Load | None:
    """Add the files of a load; returns it as it is stored, None if it was loaded before.

    force: replace the rows of an earlier load of the same inventory. If another load commits first, it is tried again.
    Raises LakeError.
    """
    from pyiceberg.exceptions import CommitFailedException

    for attempt in range(ATTEMPTS):
        table = lake.table()
        earlier = all_loads(lake, table).get(inventory.identity)
        if earlier and earlier.loaded == load.loaded:
            # The last attempt did commit, and its answer was lost.
            return earlier
        if earlier and not force:
            check_same(inventory, earlier)
            return None
        stored = with_columns(load, table)
        try:
            with told(lake.place):
                try:
                    add(table, stored, paths, earlier)
                    return stored
                except CommitFailedException:
                    pass
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
    if inventory.content != earlier.content:
        raise LakeError(
            f"{inventory.address}: it changed since it was loaded, on {earlier.loaded:%Y-%m-%d}",
            "Load it again with --force: its rows are replaced.",
        )


def with_columns(load: Load, table: Table) -> Load:
    """A load with the columns that the table has not, and those that only the table has."""
    known = [field.name for field in table.schema().fields if field.name not in LOAD_COLUMNS]
    return replace(
        load,
        new_columns=tuple(name for name in load.columns if name not in known),
        missing_columns=tuple(name for name in known if name not in load.columns),
    )


def add(table: Table, load: Load, paths: list[str], earlier: Load | None) -> None:
    """Add new columns and the files, instead of the rows of an earlier load, in one commit."""
    from pyiceberg.expressions import And, EqualTo
    from pyiceberg.types import StringType

    with table.transaction() as transaction:
        if load.new_columns:
            with transaction.update_schema() as update:
                for name in load.new_columns:
                    if name in COLUMNS:
                        raise LakeError(f"the table lacks the column {name}")
                    update.add_column(name, StringType())
        if earlier:
            transaction.delete(
                And(
                    EqualTo(term="inventory_source", value=earlier.source),
                    EqualTo(term="inventory_time", value=earlier.time.isoformat()),
                )
            )
        transaction.add_files(paths, load.as_property(), check_duplicate_files=False)
