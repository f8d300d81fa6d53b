"""Questions in SQL, which DuckDB answers: read only, bounded in memory and time."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from lurge.errors import LakeError, UsageError
from lurge.store.lake.catalog import Lake
from lurge.store.lake.read import loads_table, objects

VIEWS = ("objects", "latest")
MOST_TEMPORARY = "20GB"
BATCH_ROWS = 1 << 16
LAST_CHARACTER = 0x10FFFF


@dataclass(frozen=True)
class Limits:
    """What a question may take. memory: as DuckDB writes it. threads: None for all cores."""

    memory: str = "400MB"
    seconds: float = 600
    threads: int | None = None


class Questions:
    """Answers questions about the table as it is when this is made.

    Views: `objects`, every row up to a date; `latest`, those of the last inventory of each source; `loads`.
    """

    def __init__(self, lake: Lake, connection: Any, until: date | None) -> None:
        table = lake.table()
        self._connection = connection
        for view, newest in zip(VIEWS, (False, True), strict=True):
            connection.register(f"all_{view}", objects(lake, table, until, newest))
            self._show_all(view)
        connection.register("loads", loads_table(lake, table))
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")

    def ask(self, sql: str) -> pa.Table:
        """The answer to a SELECT. Raises UsageError for anything else."""
        import duckdb

        statements = self._connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise UsageError("only one SELECT is possible: nothing can be changed")
        view, prefix = prefix_in(self._connection, sql)
        if prefix:
            self._narrow(view, prefix)
        try:
            return self._connection.sql(sql).to_arrow_table()
        finally:
            if prefix:
                self._show_all(view)

    def sorted_rows(self, source: str, time: datetime, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Some columns of the rows of one inventory, by key; of a key, the latest version first."""
        names = ", ".join(columns)
        rows = self._connection.sql(
            f"SELECT {names} FROM objects WHERE bucket = ? AND dt = ? AND inventory_source = ? AND inventory_time = ?"  # noqa: S608  our names
            " ORDER BY key, coalesce(islatest, true) DESC, versionid",
            params=[source.partition("/")[0], time.date(), source, time],
        )
        yield from rows.to_arrow_reader(BATCH_ROWS)

    def _show_all(self, view: str) -> None:
        """Let a view have every row."""
        self._connection.execute(f"CREATE OR REPLACE VIEW {view} AS SELECT * FROM all_{view}")  # noqa: S608  our names

    def _narrow(self, view: str, prefix: str) -> None:
        """Let a view have only keys from a prefix on: DuckDB leaves out files by a range, but not by LIKE."""
        low, high = (text.replace("'", "''") for text in (prefix, after(prefix)))
        upper = f" AND key < '{high}'" if high else ""
        self._connection.execute(
            f"CREATE OR REPLACE VIEW {view} AS SELECT * FROM all_{view} WHERE key >= '{low}'{upper}"  # noqa: S608  quoted
        )


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
    timer = threading.Timer(limits.seconds, connection.interrupt)
    timer.daemon = True
    with tempfile.TemporaryDirectory(prefix="lurge-lake-") as spill:
        try:
            settings = {"memory_limit": limits.memory, "TimeZone": "UTC", "python_enable_replacements": "false",
                        "temp_directory": spill, "max_temp_directory_size": MOST_TEMPORARY}  # fmt: skip
            if limits.threads:
                settings["threads"] = str(limits.threads)
            for name, value in settings.items():
                connection.execute(f"SET {name} = '{value}'")
            timer.start()
            yield Questions(lake, connection, until)
        except duckdb.InterruptException as error:
            raise LakeError(f"it took longer than {limits.seconds:g} s", "Ask for less, or give more time.") from error
        except duckdb.OutOfMemoryException as error:
            raise LakeError(f"it needs more than {limits.memory}", "Ask for less, or give more memory.") from error
        except duckdb.Error as error:
            raise UsageError(f"the query fails: {str(error)[:2000]}", "`lurge lake show` lists the columns.") from error
        finally:
            timer.cancel()
            connection.close()


def prefix_in(connection: Any, sql: str) -> tuple[str, str]:
    """The view of a query, and the prefix that all keys must have by its condition; empty if there is none.

    It is one of a query that names one view once, in a SELECT from nothing else.
    """
    text = sql.replace("'", "''")
    tree = json.loads(connection.execute(f"SELECT json_serialize_sql('{text}')").fetchall()[0][0])
    nodes = list(nodes_of(tree))
    if sum(node.get("type") == "BASE_TABLE" and node.get("table_name") in VIEWS for node in nodes) != 1:
        return "", ""
    for node in nodes:
        source = node.get("from_table")
        if node.get("type") != "SELECT_NODE" or not isinstance(source, dict) or source.get("column_name_alias"):
            continue
        if source.get("type") == "BASE_TABLE" and source.get("table_name") in VIEWS:
            return source["table_name"], max(prefixes(node.get("where_clause")), key=len, default="")
    return "", ""


def nodes_of(tree: Any) -> Iterator[dict[str, Any]]:
    """Every object in a document."""
    if isinstance(tree, dict):
        yield tree
        for value in tree.values():
            yield from nodes_of(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from nodes_of(value)


def prefixes(condition: Any) -> Iterator[str]:
    """The prefixes of keys in a condition, of which all must hold."""
    if not isinstance(condition, dict):
        return
    if condition.get("type") == "CONJUNCTION_AND":
        for child in condition.get("children", ()):
            yield from prefixes(child)
        return
    name = condition.get("function_name")
    if name not in ("~~", "starts_with", "prefix", "^@"):
        return
    column, text = (argument.get("expression", argument) for argument in condition["arguments"])
    literal = text.get("literal") or {}
    if column.get("column_names", [""])[-1] == "key" and literal.get("kind") == "STRING":
        pattern = str(literal["text"])
        yield pattern.replace("_", "%").partition("%")[0] if name == "~~" else pattern


def after(prefix: str) -> str:
    """The first text after all that begin with a prefix; empty if there is none."""
    for place in range(len(prefix) - 1, -1, -1):
        number = ord(prefix[place])
        if number < LAST_CHARACTER:
            following = number + 1
            # No text has a surrogate.
            return prefix[:place] + chr(0xE000 if 0xD800 <= following < 0xE000 else following)
    return ""
