"""`lurge lake`: inventories of S3 buckets in Iceberg tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lurge.cli.answer import Answer, CsvOption, need_one_form, say_answer, say_batches
from lurge.cli.command import add
from lurge.cli.options import ConfigOption, JsonOption, QuietOption, say, say_json, set_verbosity
from lurge.cli.ranks import RanksOption, arguments, run_on_ranks
from lurge.display import counted
from lurge.errors import OutputError, UsageError
from lurge.model.lake import By

if TYPE_CHECKING:
    import pyarrow as pa

    from lurge.config import Config
    from lurge.parallel.comm import Comm
    from lurge.store.lake.catalog import Lake
    from lurge.store.lake.query import Questions

lake = typer.Typer(
    help="Load inventories of S3 buckets, and ask what is in them.",
    no_args_is_help=True,
    epilog="Example: lurge lake usage --by prefix --depth 2",
)

DATE = "%Y-%m-%d"

TableOption = Annotated[str, typer.Option("--table", metavar="NAME", help="Table of objects (default: objects).")]
AsOfOption = Annotated[
    datetime | None,
    typer.Option("--as-of", metavar="D", formats=[DATE], help="Without inventories of later dates."),
]
MemoryOption = Annotated[str, typer.Option("--memory", metavar="SIZE", help="Most memory, for example 2GB.")]
SecondsOption = Annotated[float, typer.Option("--seconds", metavar="S", min=0.1, help="Most time.")]
OBJECTS, MEMORY, SECONDS = "objects", "400MB", 600.0


def load(
    places: Annotated[
        list[str] | None,
        typer.Argument(metavar="MANIFEST|DIR|s3://BUCKET/PREFIX", help="Places (default: [[lake.sources]])."),
    ] = None,
    prefixes: Annotated[list[str] | None, typer.Option("--prefix", metavar="PLACE", help="Search here, too.")] = None,
    is_list: Annotated[bool, typer.Option("--list", help="The places are plain lists, without manifests.")] = False,
    is_hive: Annotated[bool, typer.Option("--hive", help="The places hold partitions of Hive.")] = False,
    columns: Annotated[
        str | None,
        typer.Option("--columns", metavar="NAMES", help="Columns of CSV files without a header, with commas."),
    ] = None,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Name of plain lists as a source.")] = "list",
    time: Annotated[
        datetime | None,
        typer.Option("--time", metavar="T", help="Time of plain lists, in UTC (default: that of the newest file)."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the rows of what was loaded before.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on looking for new inventories.")] = False,
    interval: Annotated[
        float, typer.Option("--interval", metavar="S", min=0.1, help="Seconds between two looks.")
    ] = 300,
    table: TableOption = OBJECTS,
    config: ConfigOption = None,
    ranks: RanksOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Load inventories that are not loaded yet.

    The oldest is loaded first. Each is loaded once, whole or not at all. Every file is compared with its manifest.

    Example: lurge lake load s3://inventory-destination/reports
    """
    from lurge.config import load_config
    from lurge.pipeline.lake import Kind, Wanted, run_load, watch_places

    if is_list and is_hive:
        raise UsageError("--list and --hive exclude each other")
    set_verbosity(quiet, False)
    kind = Kind.LIST if is_list else Kind.HIVE if is_hive else Kind.MANIFEST
    wanted = Wanted(
        (*(places or ()), *(prefixes or ())), kind, tuple(columns.split(",")) if columns else None,
        time and time.replace(tzinfo=time.tzinfo or UTC), name, force,
    )  # fmt: skip

    def coordinate(comm: Comm | None) -> int:
        site = load_config(config, optional=True)
        if watch:
            watch_places(site, wanted, table, interval, comm)
        outcome = run_load(site, wanted, table, comm)
        if json:
            say_json(outcome.as_json())
        elif not quiet:
            say(*outcome.lines())
        return outcome.exit_status

    command = arguments(
        "lake", config, list=is_list, hive=is_hive, columns=columns, name=name, time=time and time.isoformat(),
        force=force, watch=watch, interval=interval, table=table, json=json, quiet=quiet,
    )  # fmt: skip
    command = ["lake", "load", *command[1:], "--", *wanted.addresses]
    run_on_ranks(command, ranks, "lurge.pipeline.lake", coordinate)


def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="A SELECT from `objects`, `latest` or `loads`.")],
    as_of: AsOfOption = None,
    parquet: Annotated[Path | None, typer.Option("--parquet", metavar="FILE", help="Write a Parquet file.")] = None,
    memory: MemoryOption = MEMORY,
    seconds: SecondsOption = SECONDS,
    table: TableOption = OBJECTS,
    config: ConfigOption = None,
    json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Ask in SQL, which DuckDB answers.

    `objects` has every row, `latest` those of the last inventory of each bucket, and `loads` what was loaded. Nothing
    can be changed, and no other file be read.

    Example: lurge lake query "SELECT sum(size) FROM latest"
    """
    need_one_form(json, as_csv, parquet is not None)
    with opened(config, table, memory, seconds, as_of) as questions, questions.streamed(sql) as batches:
        if parquet:
            write_parquet(parquet, batches)
        elif json or as_csv:
            say_batches(batches.schema.names, rows_of(batches), as_csv)
        else:
            say_answer(Answer(batches.schema.names, list(rows_of(batches))), False, False)


def rows_of(batches: Iterable[pa.RecordBatch]) -> Iterator[list[Any]]:
    """The rows of batches."""
    for batch in batches:
        yield from map(list, zip(*(column.to_pylist() for column in batch.columns), strict=True))


def write_parquet(target: Path, batches: pa.RecordBatchReader) -> None:
    """Write batches as a Parquet file. Raises OutputError."""
    from pyarrow.parquet import ParquetWriter

    from lurge.atomic import whole_file

    try:
        with whole_file(target) as file, ParquetWriter(file, batches.schema, compression="zstd") as writer:
            for batch in batches:
                writer.write_batch(batch)
    except OSError as error:
        raise OutputError.at(target, error) from error


def usage(
    by: Annotated[By, typer.Option("--by", metavar="WHAT", help=f"One of {', '.join(By)}.")] = By.PREFIX,
    depth: Annotated[int, typer.Option("--depth", metavar="N", min=0, max=100, help="Components of a prefix.")] = 1,
    as_of: AsOfOption = None,
    memory: MemoryOption = MEMORY,
    seconds: SecondsOption = SECONDS,
    table: TableOption = OBJECTS,
    config: ConfigOption = None,
    json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Show what is where, and what it is.

    The last inventory of each bucket counts.

    Example: lurge lake usage --by storageclass
    """
    from lurge.store.lake.usage import usage as ask_usage

    need_one_form(json, as_csv)
    with opened(config, table, memory, seconds, as_of) as questions:
        show_rows(ask_usage(questions, by, depth), json, as_csv)


def diff(
    earlier: Annotated[datetime, typer.Argument(metavar="DATE", formats=[DATE], help="The earlier date.")],
    later: Annotated[datetime, typer.Argument(metavar="DATE", formats=[DATE], help="The later date.")],
    depth: Annotated[int, typer.Option("--depth", metavar="N", min=0, max=100, help="Components of a prefix.")] = 1,
    memory: MemoryOption = MEMORY,
    seconds: SecondsOption = SECONDS,
    table: TableOption = OBJECTS,
    config: ConfigOption = None,
    json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Show what changed between two dates.

    It is shown by prefix. Of each bucket, the last inventory up to each date counts.

    Example: lurge lake diff 2024-01-01 2024-02-01
    """
    from lurge.store.lake.usage import difference

    need_one_form(json, as_csv)
    with opened(config, table, memory, seconds) as questions:
        show_rows(difference(questions, earlier.date(), later.date(), depth), json, as_csv)


def list_loads(
    table: TableOption = OBJECTS, config: ConfigOption = None, json: JsonOption = False, as_csv: CsvOption = False
) -> None:
    """Show what was loaded.

    Example: lurge lake loads --json
    """
    from lurge.store.lake.loads import all_loads

    need_one_form(json, as_csv)
    own = lake_of(config, table)
    loads = sorted(all_loads(own, own.table()).values(), key=lambda load: (load.time, load.source))
    if json or as_csv:
        rows = [load.as_json() for load in loads]
        names = list(rows[0]) if rows else []
        values = [[value if json or not isinstance(value, tuple) else " ".join(value) for value in row.values()]
                  for row in rows]  # fmt: skip
        say_answer(Answer(names, values), json, as_csv, is_list=True)
        return
    names = ["source", "time", "rows", "bytes", "rejected", "files", "seconds", "new columns", "missing columns"]
    shown = [
        (load.source, f"{load.time:%Y-%m-%d %H:%M}", load.rows, load.bytes, load.rejected, load.files, load.seconds,
         ", ".join(load.new_columns) or None, len(load.missing_columns) or None)
        for load in loads
    ]  # fmt: skip
    say_answer(Answer(names, shown), json, as_csv)


def show(table: TableOption = OBJECTS, config: ConfigOption = None, json: JsonOption = False) -> None:
    """Show the schema and the snapshots.

    Example: lurge lake show
    """
    own = lake_of(config, table).table()
    metadata = own.metadata
    spec = [field.name for field in own.spec().fields]
    columns = [(field.name, str(field.field_type)) for field in own.schema().fields]
    snapshots = [
        {
            "snapshot": str(snapshot.snapshot_id),
            "time": datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC).isoformat(timespec="seconds"),
            "operation": snapshot.summary.operation.value if snapshot.summary else None,
            "rows": snapshot.summary.additional_properties.get("total-records") if snapshot.summary else None,
        }
        for snapshot in metadata.snapshots
    ]
    if json:
        say_json({"location": own.location(), "partitions": spec, "columns": dict(columns), "snapshots": snapshots})
        return
    say(f"{own.location()}, by {' and '.join(spec)}", "")
    say_answer(Answer(["column", "type"], columns), False, False)
    say("")
    say_answer(Answer(list(snapshots[0]) if snapshots else [], [list(one.values()) for one in snapshots]), False, False)


def expire(
    keep_days: Annotated[int, typer.Option("--keep-days", metavar="N", min=1, help="Days to keep.")],
    table: TableOption = OBJECTS,
    config: ConfigOption = None,
) -> None:
    """Remove old inventories from the table.

    The snapshots that have them are removed, too. What each load was stays known for ever. `lurge lake clean` removes
    the files.

    Example: lurge lake expire --keep-days 365
    """
    from lurge.store.lake.tidy import expire as expire_rows

    files, snapshots = expire_rows(lake_of(config, table), keep_days)
    say(f"{counted(files, 'file')} and {counted(snapshots, 'snapshot')} expired")


def clean(table: TableOption = OBJECTS, config: ConfigOption = None) -> None:
    """Remove files that the table does not have.

    They are of loads that were killed, and of snapshots that expired.

    Example: lurge lake clean
    """
    from lurge.store.lake.tidy import clean as clean_files

    own = lake_of(config, table)
    own.table()
    say(f"{counted(len(clean_files(own)), 'file')} removed")


def export(
    s3_table: Annotated[str, typer.Option("--s3-table", metavar="ARN", help="ARN of a table bucket.")],
    table: TableOption = OBJECTS,
    config: ConfigOption = None,
) -> None:
    """Copy the table into an S3 table bucket.

    It takes the place of what is there. The bucket, the namespace and the table are made if they are missing.

    Example: lurge lake export --s3-table $ARN
    """
    from lurge.store.lake.s3_tables import export_table

    say(export_table(lake_of(config, table), s3_table))


def drop_s3_table(
    arn: Annotated[str, typer.Argument(metavar="ARN", help="ARN of a table, or of its bucket.")],
    table: TableOption = OBJECTS,
    config: ConfigOption = None,
) -> None:
    """Delete a table from an S3 table bucket.

    Example: lurge lake drop-s3-table $ARN
    """
    from lurge.store.lake.s3_tables import drop_table

    drop_table(lake_of(config, table), arn)


def lake_of(config: Path | None, table: str) -> Lake:
    """The lake of a site."""
    from lurge.config import load_config
    from lurge.store.lake.catalog import Lake

    site: Config = load_config(config, optional=True)
    return Lake(site.lake, table)


def opened(
    config: Path | None, table: str, memory: str, seconds: float, as_of: datetime | None = None
) -> AbstractContextManager[Questions]:
    """The lake of a site, open for questions."""
    from lurge.store.lake.query import Limits, questions

    return questions(lake_of(config, table), as_of.date() if as_of else None, Limits(memory, seconds))


def show_rows(rows: pa.Table, json: bool, as_csv: bool) -> None:
    """Print rows."""
    say_answer(Answer(rows.column_names, list(rows_of(rows.to_batches()))), json, as_csv, is_list=True)


add(lake, load)
add(lake, query)
add(lake, usage)
add(lake, diff)
add(lake, list_loads, "loads")
add(lake, show)
add(lake, expire)
add(lake, clean)
add(lake, export)
add(lake, drop_s3_table, "drop-s3-table")
