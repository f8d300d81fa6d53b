"""Questions in SQL, which DuckDB answers: read only, bounded in memory and time."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from lurge.errors import LakeError, UsageError
from lurge.store.lake.catalog import Lake
from lurge.store.lake.loads import Load, all_loads, newest_loads
from lurge.store.lake.read import loads_table, objects

VIEWS = ("objects", "latest")
BATCH_ROWS = 1 << 14
SECONDS_BETWEEN_INTERRUPTS = 0.2
LAST_CHARACTER = 0x10FFFF


@dataclass(frozen=True)
class Limits:
    """The limits of questions. memory, temporary: as DuckDB writes sizes; the second on disk."""

    memory: str = "400MB"
    seconds: float = 600
    temporary: str = "20GB"


class Questions:
    """Answers questions about the table as it is when this is made.

    Views: `objects`, every row up to a date; `latest`, those of the last inventory of each bucket; `loads`, what was
    loaded up to that date.
    """

    def __init__(self, lake: Lake, connection: Any, until: date | None) -> None:
        table = lake.table()
        self._connection = connection
        self.loads = [load for load in all_loads(lake, table).values() if until is None or load.date <= until]
        if until and not self.loads:
            raise LakeError(f"there is no inventory up to {until}", "`lurge lake loads` lists them.")
        for view, of_loads in zip(VIEWS, (None, newest_loads(self.loads, until)), strict=True):
            connection.register(f"all_{view}", objects(lake, table, until, of_loads))
            self._show_all(view)
        connection.register("loads", loads_table(self.loads))
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")

    def ask(self, sql: str) -> pa.Table:
        """The whole answer to a SELECT. Raises UsageError for anything else."""
        with self.streamed(sql) as batches:
            return batches.read_all()

    @contextmanager
    def streamed(self, sql: str) -> Iterator[pa.RecordBatchReader]:
        """The answer to a SELECT, batch by batch. Raises UsageError for anything else."""
        import duckdb

        statements = self._connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise UsageError("only one SELECT is possible: nothing can be changed")
        view, prefix = prefix_in(self._connection, sql)
        if prefix:
            self._narrow(view, prefix)
        try:
            with answering():
                yield self._connection.sql(sql).to_arrow_reader(BATCH_ROWS)
        finally:
            if prefix:
                self._show_all(view)

    def sorted_rows(self, load: Load, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Some columns of the rows of one load, by key; of a key, the latest version first."""
        names = ", ".join(columns)
        rows = self._connection.sql(
            f"SELECT {names} FROM objects WHERE bucket = ? AND dt = ? AND inventory_source = ? AND inventory_time = ?"  # noqa: S608  our names
            " ORDER BY key, coalesce(islatest, true) DESC, versionid",
            params=[load.bucket, load.date, load.source, load.time],
        )
        with answering():
            yield from rows.to_arrow_reader(BATCH_ROWS)

    def _show_all(self, view: str) -> None:
        """Let a view have every row."""
        self._connection.execute(f"CREATE OR REPLACE VIEW {view} AS SELECT * FROM all_{view}")  # noqa: S608  our names

    def _narrow(self, view: str, prefix: str) -> None:
        """Let a view have only keys from a prefix on: DuckDB leaves out files by a range, but not by LIKE."""
        high = after(prefix)
        upper = f" AND key < {quoted(high)}" if high else ""
        self._connection.execute(
            f"CREATE OR REPLACE VIEW {view} AS SELECT * FROM all_{view} WHERE key >= {quoted(prefix)}{upper}"  # noqa: S608  quoted
        )


@contextmanager
def answering() -> Iterator[None]:
    """Raise what Arrow says of DuckDB's errors as DuckDB would."""
    import duckdb

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        text = str(error)
        if "INTERRUPT" in text or "Interrupted" in text:
            raise duckdb.InterruptException(text) from error
        raise (duckdb.OutOfMemoryException if "Out of Memory" in text else duckdb.Error)(text) from error


@contextmanager
def questions(lake: Lake, until: date | None = None, limits: Limits | None = None) -> Iterator[Questions]:
    """Open the lake for questions. until: without inventories of later dates.

    Raises LakeError, also if a question takes too long or too much, and UsageError if it is wrong.
    """
    try:
        import duckdb
    except ImportError as error:
        raise LakeError(f"{error}", "Install lurge[lake].") from error
    limits = limits or Limits()
    connection = duckdb.connect(":memory:")
    is_answered = threading.Event()

    def interrupt() -> None:
        # What is not running cannot be interrupted: it is tried until all is answered.
        wait = limits.seconds
        while not is_answered.wait(wait):
            connection.interrupt()
            wait = SECONDS_BETWEEN_INTERRUPTS

    timer = threading.Thread(target=interrupt, daemon=True, name="lake limit")
    with tempfile.TemporaryDirectory(prefix="lurge-lake-") as spill:
        try:
            settings = {"memory_limit": limits.memory, "TimeZone": "UTC", "python_enable_replacements": "false",
                        "temp_directory": spill, "max_temp_directory_size": limits.temporary}  # fmt: skip
            for name, value in settings.items():
                connection.execute(f"SET {name} = '{value}'")
            timer.start()
            yield Questions(lake, connection, until)
        except duckdb.InterruptException as error:
            raise LakeError(f"it took longer than {limits.seconds:g} s", "Ask for less, or give more time.") from error
        except duckdb.OutOfMemoryException as error:
            raise LakeError(f"it needs more than {limits.memory}", "Ask for less, or give more memory.") from error
        except duckdb.Error as error:
            said = " ".join(str(error)[:2000].split())
            advice = "`lurge lake show` lists the columns." if isinstance(error, duckdb.BinderException) else None
            raise UsageError(f"the query fails: {said}", advice) from error
        finally:
            is_answered.set()
            timer.join()
            connection.close()


def prefix_in(connection: Any, sql: str) -> tuple[str, str]:
    """The view of a query, and the prefix that all keys must have by its condition; empty if there is none.

    It is one of a query that is one SELECT from one view, and from nothing else.
    """
    try:
        tree = json.loads(connection.execute(f"SELECT json_serialize_sql({quoted(sql)})").fetchall()[0][0])
    except RecursionError:
        return "", ""
    nodes = list(nodes_of(tree))
    selects = [node for node in nodes if node.get("type") == "SELECT_NODE"]
    sources = [node for node in nodes if node.get("type") in ("BASE_TABLE", "TABLE_FUNCTION", "JOIN", "SUBQUERY")]
    if len(selects) != 1 or len(sources) != 1 or sources[0].get("type") != "BASE_TABLE":
        return "", ""
    source = selects[0].get("from_table")
    if source is not sources[0] or source.get("column_name_alias"):
        return "", ""
    view = str(source.get("table_name")).lower()
    if view not in VIEWS:
        return "", ""
    names = {str(source.get("alias") or view).lower()}
    return view, max(prefixes(selects[0].get("where_clause"), names), key=len, default="")


def nodes_of(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object in a document."""
    waiting = [tree]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def prefixes(condition: Any, names: set[str]) -> Iterator[str]:
    """The prefixes of keys in a condition, of which all must hold. names: by which the view is called."""
    waiting = [condition]
    while waiting:
        one = waiting.pop()
        if not isinstance(one, dict):
            continue
        if one.get("type") == "CONJUNCTION_AND":
            waiting.extend(one.get("children", ()))
            continue
        name, arguments = one.get("function_name"), one.get("arguments", ())
        if name not in ("~~", "starts_with", "prefix", "^@") or len(arguments) != 2:
            continue
        column, text = (argument.get("expression", argument) for argument in arguments)
        literal = text.get("literal") or {}
        called = [str(part).lower() for part in column.get("column_names", ())]
        if called[-1:] == ["key"] and names.issuperset(called[:-1]) and literal.get("kind") == "STRING":
            pattern = str(literal["text"])
            yield pattern.replace("_", "%").partition("%")[0] if name == "~~" else pattern


def quoted(text: str) -> str:
    """A text as SQL has it."""
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def after(prefix: str) -> str:
    """The first text after all that begin with a prefix; empty if there is none."""
    for place in range(len(prefix) - 1, -1, -1):
        number = ord(prefix[place])
        if number < LAST_CHARACTER:
            following = number + 1
            # No text has a surrogate.
            return prefix[:place] + chr(0xE000 if 0xD800 <= following < 0xE000 else following)
    return ""
