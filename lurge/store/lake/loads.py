"""Loads: what each snapshot of the table says of the inventory that it added.

A load is a snapshot with properties of ours, so that the rows and the note of them are there together or not at all.
Before snapshots expire, their notes go to a table of their own, where they stay.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

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
    missing_columns: that the table has. input_bytes: size of its files. snapshot: 0 if it expired.
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
    snapshot: int = 0

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
    loads = sorted((parse_load(row["load"], 0) for row in rows), key=lambda load: load.loaded)
    return {load.identity: load for load in loads}


def all_loads(lake: Lake, table: Table) -> dict[str, Load]:
    """Every load by its identity; of those that were repeated, the last."""
    return kept_loads(lake) | noted(table)


def keep_loads(lake: Lake, loads: Iterable[Load]) -> None:
    """Add loads to the table where they stay, unless they are there. Raises LakeError."""
    from pyiceberg.exceptions import TableAlreadyExistsError
    from pyiceberg.schema import Schema
    from pyiceberg.types import NestedField, StringType

    known = kept_loads(lake)
    new = [load for load in loads if load.identity not in known or known[load.identity].loaded < load.loaded]
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
