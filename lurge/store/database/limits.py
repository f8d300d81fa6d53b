"""A limit of the time that statements of a connection may take, for what people ask on pages."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

INSTRUCTIONS = 100_000
"""SQLite looks at the clock each time after so many of its instructions."""


@contextmanager
def limited(connection: sa.Connection, seconds: int) -> Iterator[None]:
    """End any statement in the block that takes longer, with an error of the database."""
    name = connection.dialect.name
    if name == "sqlite":
        driver = connection.connection.driver_connection
        deadline = time.monotonic() + seconds
        driver.set_progress_handler(lambda: time.monotonic() > deadline, INSTRUCTIONS)  # type: ignore[union-attr]
        try:
            yield
        finally:
            driver.set_progress_handler(None, 0)  # type: ignore[union-attr]
        return
    if name == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {seconds * 1000}")
        yield
        return
    is_mariadb = getattr(connection.dialect, "is_mariadb", False)
    variable, amount = ("max_statement_time", seconds) if is_mariadb else ("max_execution_time", seconds * 1000)
    connection.exec_driver_sql(f"SET SESSION {variable} = {amount}")
    try:
        yield
    finally:
        connection.exec_driver_sql(f"SET SESSION {variable} = DEFAULT")
