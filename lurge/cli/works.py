"""`lurge works`: how many images of which work are in which state."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lurge.cli.answer import Answer, CsvOption, need_one_form, say_answer
from lurge.cli.command import add
from lurge.cli.options import ConfigOption, JsonOption, QuietOption, say, say_json, set_verbosity
from lurge.display import display
from lurge.errors import UsageError

if TYPE_CHECKING:
    import sqlalchemy as sa

    from lurge.config import Config
    from lurge.pipeline.works_outcome import WorksOutcome
    from lurge.store.database import Database
    from lurge.store.works.read import WorkState

works = typer.Typer(
    help="Count works in states, and show them.", no_args_is_help=True, epilog="Example: lurge works list --by project"
)

DATE = "%Y-%m-%d"
SECONDS_BETWEEN_LINES = 0.2

StateOption = Annotated[str | None, typer.Option("-s", "--state", metavar="STATE", help="Only this state.")]
DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "-d", "--database", metavar="SECTION:FILE", help="The database that a section of a MySQL option file names."
    ),
]


class By(StrEnum):
    """The rows of a list."""

    STATE = "state"
    PROJECT = "project"
    WORK = "work"


def gather(
    paths: Annotated[
        list[Path] | None,
        # A tree that cannot be read fails apart from the others.
        typer.Argument(metavar="PATH", readable=False, help="Trees (default: the configured)."),
    ] = None,
    state: Annotated[str | None, typer.Option("-s", "--state", metavar="STATE", help="The state of the works.")] = None,
    option_file: DatabaseOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Count the works of trees, and store what was seen.

    The trees are walked. A work that cannot be read whole is not stored, and named. The exit status is then 3.

    Example: lurge works gather -s scanned /lustre/scratch119/scans
    """
    from lurge.pipeline.works import run_gather, trees_of

    def run(site: Config, database: Database) -> WorksOutcome:
        with progress(quiet or json) as advanced:
            return run_gather(site, database, trees_of(site.works, state, paths or []), advanced)

    show_outcome(config, option_file, json, quiet, run)


def load(
    files: Annotated[list[str], typer.Argument(metavar="FILE|s3://BUCKET/PREFIX", help="Backlogs, as CSV.")],
    option_file: DatabaseOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Load observations of works from CSV files or S3.

    Of a bucket, all objects below the prefix are loaded. Each file is loaded once, by its content, and whole or not at
    all. Lines that are malformed are counted, named, and kept in a file of rejects.

    Example: lurge works load backlog.csv
    """
    from lurge.pipeline.works import run_load
    from lurge.pipeline.works_s3 import is_s3, run_load_s3

    buckets = [name for name in files if is_s3(name)]
    if buckets and len(buckets) != len(files):
        raise UsageError("files and buckets are loaded apart")

    def run(site: Config, database: Database) -> WorksOutcome:
        return run_load_s3(site, database, buckets) if buckets else run_load(site, database, map(Path, files))

    show_outcome(config, option_file, json, quiet, run)


def list_works(
    by: Annotated[By, typer.Option("--by", metavar="ROWS", help="A row for each state, project or work.")] = By.STATE,
    state: StateOption = None,
    project: Annotated[str | None, typer.Option("--project", metavar="P", help="Only this project.")] = None,
    gone: Annotated[bool, typer.Option("--gone", help="Only works that their tree does not have any more.")] = False,
    option_file: DatabaseOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """List the works and images in each state.

    They are listed as their trees were last seen.

    Example: lurge works list --by project --state scanned
    """
    from lurge.store.works.keys import text_of
    from lurge.store.works.read import StateTotal, totals, work_states
    from lurge.store.works.read import gone as gone_works

    wanted = None if project is None else text_of(project)

    def ask(connection: sa.Connection) -> Answer:
        everything = work_states(connection)
        rows = [
            row
            for row in (gone_works(everything) if gone else everything)
            if is_in(row, state) and wanted in (None, row.project)
        ]
        if gone or by is By.WORK:
            names = ("work", "project", "host", "state", "publish_state", "images", "first_obs_date", "last_obs_date",
                     "is_present")  # fmt: skip
            chosen = [row for row in rows if row.is_present != gone]
            return Answer(names, [[getattr(row, name) for name in names] for row in chosen])
        sums = totals(rows, by is By.PROJECT)
        kept = [name for name in StateTotal._fields if by is By.PROJECT or name != "project"]
        return Answer(kept, [[getattr(row, name) for name in kept] for row in sums])

    show_answer(config, option_file, json, as_csv, ask)


def is_in(row: WorkState, state: str | None) -> bool:
    """Return whether a work is in a state, or in a published state, in any case. Without a state, every work is."""
    return state is None or state.casefold() in (row.state.casefold(), (row.publish_state or "").casefold())


def show_work(
    work: Annotated[str, typer.Argument(metavar="WORK", help="Name of a work.")],
    option_file: DatabaseOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Show a work's way through the states.

    Example: lurge works show W12345
    """
    from lurge.store.works.keys import text_of
    from lurge.store.works.read import work_states

    name = text_of(work)

    def ask(connection: sa.Connection) -> Answer:
        rows = work_states(connection, name)
        if not rows:
            raise UsageError(f"there is no work {name}", "`lurge works list --by work` lists them.")
        names = ("state", "publish_state", "project", "host", "first_obs_date", "last_obs_date", "days", "observations",
                 "images", "files", "bytes", "create_date", "is_present")  # fmt: skip
        return Answer(names, [[getattr(row, name) for name in names] for row in rows])

    show_answer(config, option_file, json, as_csv, ask)


def show_history(
    state: StateOption = None,
    option_file: DatabaseOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Show the works and images in each state over time.

    A tree that was not seen at a date counts as it was last seen.

    Example: lurge works history --state scanned
    """
    from lurge.store.works.read import history

    def ask(connection: sa.Connection) -> Answer:
        rows = [row for row in history(connection) if state is None or row.state.casefold() == state.casefold()]
        return Answer(("record_date", "state", "works", "images"), [list(row) for row in rows])

    show_answer(config, option_file, json, as_csv, ask)


def ageing(
    state: StateOption = None,
    option_file: DatabaseOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Show the works still in a state, the oldest first.

    Example: lurge works ageing --state ReadyToProcess
    """
    from lurge.store.works.read import work_states

    today = datetime.now(UTC).date()

    def ask(connection: sa.Connection) -> Answer:
        rows = [
            [(today - row.create_date).days if row.create_date else None, row.work, row.project,
             row.reached, row.images, row.create_date, row.first_obs_date, row.last_obs_date]
            for row in work_states(connection)
            if row.is_present and is_in(row, state)
        ]  # fmt: skip
        rows.sort(key=lambda row: (-(row[0] if isinstance(row[0], int) else -1), str(row[1])))
        names = ("days", "work", "project", "state", "images", "create_date", "first_obs_date", "last_obs_date")
        return Answer(names, rows)

    show_answer(config, option_file, json, as_csv, ask)


def moved(
    since: Annotated[datetime, typer.Option("--since", metavar="D", formats=[DATE], help="The earlier date.")],
    until: Annotated[
        datetime | None, typer.Option("--until", metavar="D", formats=[DATE], help="The later date (default: today).")
    ] = None,
    option_file: DatabaseOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Show the works that changed between two dates.

    They appeared, went, moved on, grew or shrank.

    Example: lurge works moved --since 2024-01-01
    """
    from lurge.store.works.read import Movement, movements

    last = until.date() if until else datetime.now(UTC).date()

    def ask(connection: sa.Connection) -> Answer:
        return Answer(Movement._fields, [list(row) for row in movements(connection, since.date(), last)])

    show_answer(config, option_file, json, as_csv, ask)


def lost(
    option_file: DatabaseOption = None,
    config: ConfigOption = None,
    json: JsonOption = False,
    as_csv: CsvOption = False,
) -> None:
    """Show the works that lost images on their way.

    They have fewer images in a state than in the one before. The exit status is 3 if there are any.

    Example: lurge works lost
    """
    from lurge.config import load_config
    from lurge.store.works.read import Loss, losses, work_states

    states = list(load_config(config, optional=True).works.all_states)

    def ask(connection: sa.Connection) -> Answer:
        return Answer(Loss._fields, [list(row) for row in losses(work_states(connection, with_most=True), states)])

    if show_answer(config, option_file, json, as_csv, ask):
        raise typer.Exit(3)


def database_of(config: Path | None, option_file: str | None) -> tuple[Config, Database]:
    """The configuration, and its database or that of a MySQL option file."""
    from lurge.config import load_config
    from lurge.config.option_file import database_in
    from lurge.store.database import Database

    site = load_config(config, optional=True)
    return site, Database(database_in(option_file, site.database) if option_file else site.database)


def show_outcome(
    config: Path | None, option_file: str | None, json: bool, quiet: bool,
    run: Callable[[Config, Database], WorksOutcome],
) -> None:  # fmt: skip
    """Run a job, print its outcome, and exit with its status."""
    set_verbosity(quiet, False)
    site, database = database_of(config, option_file)
    try:
        outcome = run(site, database)
    finally:
        database.close()
    if json:
        say_json(outcome.as_json())
    elif not quiet:
        say(*outcome.lines())
    raise typer.Exit(outcome.exit_status)


def show_answer(
    config: Path | None, option_file: str | None, json: bool, as_csv: bool, ask: Callable[[sa.Connection], Answer]
) -> int:
    """Ask the database and print the answer; returns the number of its rows."""
    need_one_form(json, as_csv)
    from lurge.store.works.area import WORKS
    from lurge.store.works.ready import need_tables

    _, database = database_of(config, option_file)

    def read() -> Answer:
        with database.reading() as connection:
            need_tables(connection, WORKS)
            return ask(connection)

    try:
        answer = database.retrying(read)
    finally:
        database.close()
    say_answer(answer, json, as_csv)
    return len(answer.rows)


class progress:  # noqa: N801  used like a function
    """Shows the works so far on a terminal."""

    def __init__(self, quiet: bool) -> None:
        self._is_shown = not quiet and sys.stderr.isatty()
        self._last = 0.0

    def __enter__(self) -> Callable[[str, int], None]:
        return self._advance

    def __exit__(self, *_: object) -> None:
        if self._is_shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def _advance(self, path: str, done: int) -> None:
        now = time.monotonic()
        if self._is_shown and now - self._last > SECONDS_BETWEEN_LINES:
            self._last = now
            sys.stderr.write(f"\r\x1b[K{display(path)}: {done:,} works")
            sys.stderr.flush()


add(works, gather)
add(works, load)
add(works, list_works, "list")
add(works, show_work, "show")
add(works, show_history, "history")
add(works, ageing)
add(works, moved)
add(works, lost)
