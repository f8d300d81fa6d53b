"""Loads: what each snapshot of the table says of the inventory that it added.

A load is a snapshot with properties of ours, so that the rows and the note of them are there together or not at all.
Before snapshots expire, their notes go to a table of their own, where they stay.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from lurge.errors import LakeError
from lurge.store.lake.catalog import NAMESPACE, Lake, told

if TYPE_CHECKING:
    from pyiceberg.table import Table

PROPERTY = "lurge.load"
LOADS = "loads"


@dataclass(frozen=True)
class Load:
    """An inventory that was loaded.

    content: a hash of what named its files. rows, bytes: of its objects; noncurrent ones are old versions. rejected:
    rows that could not be parsed. columns: that the inventory had; new_columns: that the table had not;
    missing_columns: that the table has. input_bytes: size of its files. is_expired: whether its rows were removed.
    snapshot: that added it; 0 if it expired.
    """

    identity: str
    source: str
    time: datetime
    address: str
    format: str
    content: str
    rows: int
    bytes: int
    current: int
    current_bytes: int
    noncurrent: int
    noncurrent_bytes: int
    delete_markers: int
    rejected: int
    files: int
    input_bytes: int
    seconds: float
    columns: tuple[str, ...]
    new_columns: tuple[str, ...]
    missing_columns: tuple[str, ...]
    loaded: datetime
    is_expired: bool = False
    snapshot: int = 0

    @property
    def bucket(self) -> str:
        """The bucket whose objects it lists."""
        return self.source.partition("/")[0]

    @property
    def date(self) -> date:
        """The UTC date of the inventory."""
        return self.time.date()

    def as_property(self) -> dict[str, str]:
        """The note, for a snapshot."""
        return {PROPERTY: json.dumps(asdict(self), default=datetime.isoformat)}

    def as_json(self) -> dict[str, Any]:
        """The fields, for other programs."""
        values = asdict(self)
        return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


def parse_load(text: str, snapshot: int) -> Load:
    """A load of a note. Raises ValueError, KeyError or TypeError."""
    values = json.loads(text)
    known = {field.name for field in fields(Load)}
    values = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items() if name in known
    }
    for name in ("time", "loaded"):
        values[name] = datetime.fromisoformat(values[name])
    return Load(**{**values, "snapshot": snapshot})


def noted(table: Table) -> dict[str, Load]:
    """The newest load of each identity that snapshots tell of."""
    found: dict[str, Load] = {}
    for snapshot in table.metadata.snapshots:
        properties: Mapping[str, str] = snapshot.summary.additional_properties if snapshot.summary else {}
        if text := properties.get(PROPERTY):
            load = parse_load(text, snapshot.snapshot_id)
            found[load.identity] = load
    return found


def kept_loads(lake: Lake) -> dict[str, Load]:
    """The loads whose snapshots expired, or may have."""
    name = (NAMESPACE, f"{lake.name}_{LOADS}")
    with told(lake.place):
        if not lake.catalog.table_exists(name):
            return {}
        rows = lake.catalog.load_table(name).scan().to_arrow().to_pylist()
    loads = sorted((parse_load(row["load"], 0) for row in rows), key=lambda load: (load.loaded, load.is_expired))
    return {load.identity: load for load in loads}


def all_loads(lake: Lake, table: Table) -> dict[str, Load]:
    """Every load by its identity; of those that were repeated, the last."""
    kept = kept_loads(lake)
    present = {identity: load for identity, load in noted(table).items() if not is_expired(kept.get(identity), load)}
    return kept | present


def is_expired(kept: Load | None, noted: Load) -> bool:
    """True if a load whose snapshot is still there has expired."""
    return kept is not None and kept.is_expired and kept.loaded >= noted.loaded


def newest_loads(loads: Iterable[Load], until: date | None = None) -> list[Load]:
    """The last load of each bucket, up to a date. Raises LakeError if it expired, and a date was given.

    Of several configurations of a bucket, the one with the newest inventory counts.
    """
    newest: dict[str, Load] = {}
    for load in loads:
        if (until is None and load.is_expired) or (until and load.date > until):
            continue
        known = newest.get(load.bucket)
        if known is None or (load.time, load.loaded) > (known.time, known.loaded):
            newest[load.bucket] = load
    for load in newest.values():
        if load.is_expired:
            raise LakeError(f"the inventory {load.identity} expired", "Ask for a later date: lurge lake loads.")
    return sorted(newest.values(), key=lambda load: load.bucket)


def keep_loads(lake: Lake, loads: Iterable[Load]) -> None:
    """Add loads to the table where they stay, unless they are there. Raises LakeError."""
    from pyiceberg.exceptions import TableAlreadyExistsError
    from pyiceberg.schema import Schema
    from pyiceberg.types import NestedField, StringType

    known = kept_loads(lake)
    new = [
        load
        for load in loads
        if load.identity not in known
        or (known[load.identity].loaded, known[load.identity].is_expired) < (load.loaded, load.is_expired)
    ]
    if not new:
        return
    name = (NAMESPACE, f"{lake.name}_{LOADS}")
    with told(lake.place):
        if not lake.catalog.table_exists(name):
            schema = Schema(NestedField(1, "identity", StringType()), NestedField(2, "load", StringType()))
            with suppress(TableAlreadyExistsError):
                lake.catalog.create_table(name, schema)
        texts = [load.as_property()[PROPERTY] for load in new]
        lake.catalog.load_table(name).append(pa.table({"identity": [load.identity for load in new], "load": texts}))
