"""Buckets: what is where in the lake, what it is, and how it grew. Shown to people who see all groups.

What is counted of one state of the table is kept: it changes only with the next load.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic import Field

from lurge.errors import LurgeError, PageError
from lurge.model.lake import By
from lurge.model.sizes import human_size
from lurge.view.context import Context
from lurge.view.table import ALL, Column, Order, Row, Table, first_rows, table_of
from lurge.view.view import Asked, Page, Plot, View, address

if TYPE_CHECKING:
    from lurge.config.lake import LakeConfig
    from lurge.store.lake.loads import Load

SECONDS = 20
KEPT_ANSWERS = 64
SHOWN = 15
EMPTY = "No inventory is loaded. `lurge lake load PLACE` loads those of a directory or an s3:// URL."


class AskedBuckets(Asked):
    """The choice of objects."""

    bucket: str = Field("", description="Name of the bucket.")
    prefix: str = Field("", description="Beginning of the keys, by component.")


def to_bucket(row: Row) -> str:
    return address("/buckets", bucket=row["bucket"])


def to_prefix(row: Row) -> str | None:
    return address("/buckets", bucket=row["bucket"], prefix=row["prefix"]) if row["prefix"] else None


BUCKET = Column("bucket", "Bucket", link=to_bucket)
PREFIX = Column("prefix", "Prefix", link=to_prefix)
SUMS = (
    Column("objects", "Objects", "count", help="Without delete markers"), Column("bytes", "Size", "bytes"),
    Column("noncurrent", "Old versions", "count"), Column("noncurrent_bytes", "Their size", "bytes"),
)  # fmt: skip


def make(context: Context, asked: AskedBuckets) -> View:
    """The buckets, or the objects below a prefix. Raises PageError."""
    context.need_all("buckets are")
    try:
        loads, answers = answers_of(context.config.lake, asked.bucket, asked.prefix.strip("/"))
    except LurgeError as error:
        return View("Buckets", [f"The lake does not answer: {error.message}."], tables=[bucket_table([])])
    if not loads:
        return View("Buckets", tables=[bucket_table([])])
    names = sorted({load.bucket for load in loads})
    if asked.bucket and asked.bucket not in names:
        raise PageError(f"there is no bucket {asked.bucket}", "Choose one from the list of buckets.")
    shown = [load for load in loads if asked.bucket in ("", load.bucket)]
    return View(
        " / ".join(filter(None, [asked.bucket, asked.prefix.strip("/")])) or "Buckets",
        findings(answers["findings"]),
        plots=[growth(shown)] if not asked.prefix else [],
        tables=[
            *([bucket_table(shown)] if not asked.prefix else []),
            table_of("prefixes", "Prefixes", (BUCKET, PREFIX, *SUMS), answers["prefix"], asked.order, EMPTY),
            first_rows("changes", "Changes since the inventory before", (
                BUCKET, PREFIX, Column("added", "Added", "count"), Column("removed", "Removed", "count"),
                Column("changed", "Changed", "count"), Column("bytes", "Growth", "growth"),
            ), answers["changes"], SHOWN, "Nothing changed, or there is one inventory only."),
            *(property_table(name, title, answers[name]) for name, title in PROPERTIES),
        ],
        crumbs=[("Buckets", "/buckets")] if asked.bucket else [],
        choices={"bucket": names},
    )  # fmt: skip


PROPERTIES = (
    ("storageclass", "Storage classes"), ("age", "Ages"), ("encryption", "Encryption"), ("owner", "Owners"),
    ("version", "Versions"),
)  # fmt: skip


def answers_of(config: LakeConfig, bucket: str, prefix: str) -> tuple[list[Load], dict[str, list[Row]]]:
    """Every load, and the rows of each table. Raises LurgeError."""
    from lurge.store.lake.catalog import Lake
    from lurge.store.lake.loads import all_loads

    lake = Lake(config)
    if not lake.exists:
        return [], {}
    table = lake.table()
    loads = sorted(all_loads(lake, table).values(), key=lambda load: load.time)
    if not loads or (bucket and bucket not in {load.bucket for load in loads}):
        return loads, {}
    return loads, asked_once(Question(table.metadata_location, bucket, prefix, config))


@dataclass(frozen=True)
class Question:
    """What is asked of one state of the lake. state: the place of its metadata, which no other lake has."""

    state: str
    bucket: str
    prefix: str
    config: LakeConfig = field(compare=False)


@lru_cache(maxsize=KEPT_ANSWERS)
def asked_once(question: Question) -> dict[str, list[Row]]:
    """The rows of each table."""
    from lurge.store.lake.catalog import Lake
    from lurge.store.lake.query import Limits, questions
    from lurge.store.lake.usage import Where, difference, found, usage

    bucket, prefix = question.bucket, question.prefix
    where = Where(bucket, prefix)
    depth = len(prefix.split("/")) + 1 if prefix else 1
    with questions(Lake(question.config), None, Limits(seconds=SECONDS)) as lake:
        answers: dict[str, list[Row]] = {
            by.value: usage(lake, by, depth, where).to_pylist()
            for by in (By.PREFIX, *(By(name) for name, _ in PROPERTIES))
        }
        answers["findings"] = found(lake, where).to_pylist()
        answers["changes"] = []
        for name in sorted({load.bucket for load in lake.loads if bucket in ("", load.bucket)}):
            days = sorted({load.date for load in lake.loads if load.bucket == name and not load.is_expired})
            if len(days) > 1:
                changed = difference(lake, days[-2], days[-1], depth, Where(name, prefix))
                answers["changes"] += changed.to_pylist()
    return answers


def bucket_table(loads: Sequence[Load]) -> Table:
    """The newest inventory of each bucket."""
    from lurge.store.lake.loads import newest_loads

    columns = (
        BUCKET, Column("time", "Inventory of", "date"), *SUMS, Column("delete_markers", "Delete markers", "count"),
    )  # fmt: skip
    rows: list[dict[str, Any]] = [
        {
            "bucket": load.bucket,
            "time": load.date,
            "objects": load.current + load.noncurrent,
            **{name: getattr(load, name) for name in ("bytes", "noncurrent", "noncurrent_bytes", "delete_markers")},
        }
        for load in newest_loads(loads)
    ]
    return table_of("buckets", "Buckets", columns, rows, ALL, EMPTY)


def property_table(name: str, title: str, rows: Sequence[Row]) -> Table:
    """The objects by one property, of all buckets that are shown."""
    sums: dict[str, dict[str, Any]] = {}
    for row in rows:
        own = sums.setdefault(row[name], {name: row[name], **dict.fromkeys((column.name for column in SUMS), 0)})
        for column in SUMS:
            own[column.name] += row[column.name]
    largest = sorted(sums.values(), key=lambda row: -row["bytes"])
    return table_of(name, title, (Column(name, title), *SUMS), largest, Order(size=SHOWN), EMPTY)


def growth(loads: Sequence[Load]) -> Plot:
    """The size of each bucket over time."""
    sources = dict.fromkeys(load.source for load in loads)
    return Plot("growth", "Size of each bucket over time", {
        "data": [
            {"name": source, "type": "scatter", "mode": "lines+markers",
             "x": [load.date.isoformat() for load in loads if load.source == source],
             "y": [load.bytes for load in loads if load.source == source]}
            for source in sources
        ],
        "layout": {"yaxis": {"title": {"text": "bytes"}, "rangemode": "tozero"}},
    })  # fmt: skip


def findings(rows: Sequence[Row]) -> list[str]:
    """What somebody should look at, in words."""
    sentences = []
    for row in rows:
        bucket, size = row["bucket"], row["bytes"]
        if row["unencrypted"]:
            sentences.append(f"{bucket}: {row['unencrypted']:,} objects are not encrypted.")
        if size and 2 * row["noncurrent_bytes"] > size:
            share = human_size(row["noncurrent_bytes"])
            sentences.append(f"{bucket}: old versions take {share} of {human_size(size)}, more than half.")
        if row["public"]:
            sentences.append(f"{bucket}: {row['public']:,} objects can be read by everybody.")
        if row["failed"]:
            sentences.append(f"{bucket}: {row['failed']:,} objects could not be replicated.")
        if row["kept_parts"]:
            sentences.append(
                f"{bucket}: {row['kept_parts']:,} old versions that came in parts have no date on which they expire."
            )
    return sentences


PAGE = Page("/buckets", "buckets", AskedBuckets, make, menu="Buckets", form=("bucket", "prefix"))
