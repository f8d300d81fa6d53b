"""`lurge ledger`: amounts that events change, exactly once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from lurge.cli.answer import Answer, CsvOption, need_one_form, say_answer
from lurge.cli.command import add
from lurge.cli.options import ConfigOption, JsonOption, QuietOption, VerboseOption, say, say_json, set_verbosity
from lurge.errors import UsageError
from lurge.model.event import LARGEST, ErrorKind

if TYPE_CHECKING:
    import sqlalchemy as sa

    from lurge.config import Config
    from lurge.pipeline.ledger.outcome import LedgerOutcome
    from lurge.store.database import Database

ledger = typer.Typer(
    help="Apply events to amounts, each once, from files or Kafka.",
    no_args_is_help=True,
    epilog="Example: lurge ledger apply events.csv",
)

TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]
T = TypeVar("T")

StoreOption = Annotated[int | None, typer.Option("--store", metavar="N", min=0, max=LARGEST, help="Only this store.")]
ItemOption = Annotated[int | None, typer.Option("--item", metavar="N", min=0, max=LARGEST, help="Only this item.")]
KindOption = Annotated[ErrorKind | None, typer.Option("--kind", metavar="KIND", help=f"One of {', '.join(ErrorKind)}.")]
FileOption = Annotated[
    str | None, typer.Option("--file", metavar="NAME", help="Only of this file, by its path or name.")
]
SinceOption = Annotated[
    datetime | None,
    typer.Option(
        "--since",
        metavar="D",
        formats=TIMES,
        help="Only since this time, UTC.",
    ),
]
TransactionOption = Annotated[str | None, typer.Option("--transaction", metavar="ID", help="Only of this transaction.")]


def import_files(
    places: Annotated[list[Path], typer.Argument(metavar="DIR|FILE", help="Files of events, or directories.")],
    watch: Annotated[bool, typer.Option("--watch", help="Go on looking for new files.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Send the events of CSV files to Kafka, each line once.

    A file is taken when it is whole, once by its content, and then moved to done/. Lines that are not valid are left in
    a .rejects.csv, and sent to the topic of errors. The exit status is then 3.

    Example: lurge ledger import --watch /data/incoming
    """
    from lurge.pipeline.ledger.importer import run_import
    from lurge.pipeline.ledger.importer import watch as watch_places
    from lurge.pipeline.ledger.stopping import stop_on_signals

    set_verbosity(quiet, verbose)
    if watch and json:
        raise UsageError("--watch and --json exclude each other")
    with opened(config) as (site, database), stop_on_signals() as stop:
        if watch:
            watch_places(site, database, places, stop)
            return
        outcome = run_import(site, database, places, stop)
    show_outcome(outcome, json, quiet)


def serve(
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Address of the metrics.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option("--port", metavar="N", min=0, max=65535, help="Port of the metrics (default: none).")
    ] = None,
    config: ConfigOption = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Apply the events of Kafka to amounts, each once.

    SIGTERM or Ctrl-C stops it. Any number of instances share the work. The port answers /metrics for Prometheus,
    /readyz and /healthz.

    Example: lurge ledger serve --port 9108
    """
    from contextlib import nullcontext

    from lurge.pipeline.ledger.metrics import Metrics, served
    from lurge.pipeline.ledger.service import run_service
    from lurge.pipeline.ledger.stopping import stop_on_signals

    set_verbosity(quiet, verbose)
    with opened(config) as (site, database), stop_on_signals() as stop:
        metrics = Metrics()
        with nullcontext() if port is None else served(metrics, host, port):
            run_service(site, database, stop, metrics)


def apply(
    places: Annotated[list[Path], typer.Argument(metavar="FILE|DIR", help="Files of events, or directories.")],
    config: ConfigOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Apply the events of CSV files without a broker.

    Each file is applied once, by its content, and stays where it is. Sales that come before their stock are tried again
    at the end. The exit status is 3 if an event could not be applied.

    Example: lurge ledger apply events.csv
    """
    from lurge.pipeline.ledger.apply import run_apply
    from lurge.pipeline.ledger.stopping import stop_on_signals

    set_verbosity(quiet, verbose)
    with opened(config) as (site, database), stop_on_signals() as stop:
        outcome = run_apply(site, database, places, stop)
    show_outcome(outcome, json, quiet)


def show(
    store: StoreOption = None,
    item: ItemOption = None,
    below: Annotated[
        int | None, typer.Option("--below", metavar="N", min=0, max=LARGEST, help="Only smaller amounts.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Show the amounts of items.

    Example: lurge ledger show --store 5 --below 100
    """
    from lurge.store.ledger.read import ItemAmount, ItemFilter, amounts

    def ask(connection: sa.Connection) -> Answer:
        return Answer(ItemAmount._fields, amounts(connection, ItemFilter(store, item, below)))

    show_answer(config, json, as_csv, ask)


ERROR_COLUMNS = (
    "id", "created_at", "kind", "transaction_id", "store_number", "item_number", "attempt", "file", "line", "topic",
    "partition", "offset", "replayed_at", "reasons", "input", "is_base64",
)  # fmt: skip


def list_errors(
    kind: KindOption = None,
    store: StoreOption = None,
    item: ItemOption = None,
    transaction: TransactionOption = None,
    file: FileOption = None,
    since: SinceOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Also those that were sent again.")] = False,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=LARGEST, help="At most N errors, the newest first.")
    ] = 100,
    config: ConfigOption = None,
    json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List events that could not be applied, with the reasons.

    Example: lurge ledger errors --kind "beyond amount"
    """
    from lurge.store.ledger.read import ErrorFilter, errors

    wanted = ErrorFilter((), kind, store, item, transaction, file, since, is_open=not everything)

    def ask(connection: sa.Connection) -> Answer:
        rows = errors(connection, wanted, limit)
        if json:
            return Answer(ERROR_COLUMNS, [[row[name] for name in ERROR_COLUMNS] for row in rows])
        texts = [{**row, "reasons": "; ".join(row["reasons"])} for row in rows]
        if as_csv:
            return Answer(ERROR_COLUMNS, [[row[name] for name in ERROR_COLUMNS] for row in texts])
        shown = ("id", "kind", "store_number", "item_number", "file", "line", "topic", "partition", "offset", "reasons")
        return Answer(shown, [[row[name] for name in shown] for row in texts])

    show_answer(config, json, as_csv, ask)


def replay(
    ids: Annotated[list[int] | None, typer.Argument(metavar="ID", min=1, max=LARGEST, help="Ids of errors.")] = None,
    kind: KindOption = None,
    store: StoreOption = None,
    item: ItemOption = None,
    transaction: TransactionOption = None,
    file: FileOption = None,
    since: SinceOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Every error that was not sent again.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Send errors again.

    Without a broker they are applied at once. Inputs that are not valid events stay errors: correct them, and import
    them as a new file.

    Example: lurge ledger replay --kind "unknown item" --since 2024-01-01
    """
    from lurge.pipeline.ledger.replay import run_replay
    from lurge.pipeline.ledger.stopping import stop_on_signals
    from lurge.store.ledger.read import ErrorFilter

    wanted = ErrorFilter(tuple(ids or ()), kind, store, item, transaction, file, since)
    if not wanted.conditions()[:-1] and not everything:
        raise UsageError("no error is chosen", "Give ids or a filter, or --all.")
    set_verbosity(quiet, False)
    with opened(config) as (site, database), stop_on_signals() as stop:
        outcome = run_replay(site, database, wanted, stop)
    show_outcome(outcome, json, quiet)


def watch_errors(
    once: Annotated[bool, typer.Option("--once", help="Look once, for cron.")] = False,
    interval: Annotated[
        float, typer.Option("--interval", metavar="S", min=0.1, help="Seconds between two looks.")
    ] = 10,
    config: ConfigOption = None,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Report errors as the rules in [[ledger.alerts]] say.

    Alerts go to the log, by mail and to a webhook. With --once, the exit status is 3 if there was one.

    Example: lurge ledger watch-errors --once
    """
    from lurge.pipeline.ledger.alerts import watch_errors as look_for_errors
    from lurge.pipeline.ledger.stopping import stop_on_signals

    set_verbosity(quiet, verbose)
    with opened(config) as (site, database), stop_on_signals() as stop:
        was_alert = look_for_errors(site, database, stop, None if once else interval)
    if once and was_alert:
        raise typer.Exit(3)


def check(config: ConfigOption = None, json: JsonOption = False, quiet: QuietOption = False) -> None:
    """Check that every amount equals the sum of its journal.

    Every event is counted, too: it was applied, is a duplicate, waits, or is an error. The exit status is 1 if not all
    of that holds.

    Example: lurge ledger check
    """
    from lurge.store.ledger.check import check as check_ledger

    state = asked(config, check_ledger)
    if json:
        say_json(state.as_json())
    elif not quiet:
        say(*state.lines())
    raise typer.Exit(1 if state.problem_count else 0)


@contextmanager
def opened(config: Path | None) -> Iterator[tuple[Config, Database]]:
    """Read the configuration, and open the database of the ledger."""
    from lurge.config import load_config
    from lurge.pipeline.ledger.database import ledger_database

    site = load_config(config, optional=True)
    database = ledger_database(site)
    try:
        yield site, database
    finally:
        database.close()


def show_outcome(outcome: LedgerOutcome, json: bool, quiet: bool) -> None:
    """Print the outcome of a job, and exit with its status."""
    if json:
        say_json(outcome.as_json())
    elif not quiet:
        say(*outcome.lines())
    raise typer.Exit(outcome.exit_status)


def show_answer(config: Path | None, json: bool, as_csv: bool, ask: Callable[[sa.Connection], Answer]) -> None:
    """Ask the database and print the answer."""
    need_one_form(json, as_csv)
    say_answer(asked(config, ask), json, as_csv, is_list=True)


def asked(config: Path | None, ask: Callable[[sa.Connection], T]) -> T:
    """Ask the ledger of a site."""
    from lurge.store.ledger.read import need_ledger

    with opened(config) as (_, database):

        def read() -> T:
            need_ledger(database)
            with database.reading() as connection:
                return ask(connection)

        return database.retrying(read)


add(ledger, import_files, "import")
add(ledger, serve)
add(ledger, apply)
add(ledger, show)
add(ledger, list_errors, "errors")
add(ledger, replay)
add(ledger, watch_errors, "watch-errors")
add(ledger, check)
