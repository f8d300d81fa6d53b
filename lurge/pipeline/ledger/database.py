"""The database of the ledger, and waiting for it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from lurge.config import Config
from lurge.errors import LockHeld, StoreUnavailable
from lurge.pipeline.ledger.broker import Said
from lurge.pipeline.ledger.stopping import Stop
from lurge.store.database import Database
from lurge.store.database.lock import sole_run
from lurge.store.ledger.area import LEDGER
from lurge.store.ledger.read import has_ledger_in

T = TypeVar("T")
FIRST_PAUSE, LONGEST_PAUSE = 0.01, 5.0
"""Seconds. Two instances that make the same stores are in each other's way for a moment only."""


def ledger_database(config: Config) -> Database:
    """Return the database that holds the ledger."""
    return Database(config.ledger.database or config.database)


def need_tables(database: Database, stop: Stop, seconds: float | None = None) -> None:
    """Make the tables, or bring them up to date. Other instances go on meanwhile.

    seconds: as for `persist`. Raises StoreError, Stopped.
    """

    def bring_up() -> None:
        if not has_ledger_in(database):
            try:
                with sole_run(database, LEDGER, "ledger"):
                    pass
            except LockHeld as error:
                # Another instance is doing the same.
                raise StoreUnavailable(error.message) from error

    persist(database, bring_up, stop, seconds)


def persist(database: Database, work: Callable[[], T], stop: Stop, seconds: float | None = None) -> T:
    """Return the result of `work`. While the database is unavailable, try again.

    seconds: for how long; None for ever, as a resident process does.

    Raises Stopped if it is asked to stop, StoreError if trying again does not help.
    """
    pause, said = FIRST_PAUSE, Said()
    began = time.monotonic()
    while True:
        stop.check()
        try:
            return work()
        except StoreUnavailable as error:
            if seconds is not None and time.monotonic() - began >= seconds:
                raise
            if pause > 1:
                said.say("%s; trying again", error.message)
            # A connection may be to a server that is gone.
            database.close()
        stop.wait(pause * (0.5 + random.random()))  # noqa: S311  nothing secret depends on it
        pause = min(2 * pause, LONGEST_PAUSE)
