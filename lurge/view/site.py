"""The site behind the pages: its configuration, database and access, and views of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import sqlalchemy as sa

from lurge.config import Config
from lurge.errors import StoreError
from lurge.store.database import Database
from lurge.view.access import Access
from lurge.view.context import Context
from lurge.view.pages import (
    buckets,
    directories,
    group,
    groups,
    jobs,
    ledger,
    overview,
    search,
    tree,
    users,
    vault,
    works,
)
from lurge.view.person import Person
from lurge.view.view import Page

QUERY_SECONDS = 20
"""Time that the queries of one page may take."""

PAGES: tuple[Page[Any], ...] = (
    overview.PAGE, groups.PAGE, group.PAGE, directories.PAGE, users.PAGE, users.ONE, vault.PAGE, tree.PAGE,
    works.PAGE, works.ONE, buckets.PAGE, ledger.PAGE, ledger.ITEM_PAGE, ledger.ERRORS_PAGE, jobs.PAGE, jobs.ONE,
    search.PAGE,
)  # fmt: skip
"""Every page, in the order of the menu."""


class Site:
    """What all requests share."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.database = Database(config.database)
        self.ledger = Database(config.ledger.database) if config.ledger.database else self.database
        self.access = Access(config)

    @contextmanager
    def context(self, person: Person) -> Iterator[Context]:
        """One state of the database, for one page. Raises StoreError."""
        try:
            with (
                self.database.reading() as connection,
                self.database.dialect.limited(connection, QUERY_SECONDS),
            ):
                own = self.ledger is self.database
                yield Context(
                    self.config, person, connection, lambda: nullcontext(connection) if own else self._reading_ledger()
                )
        except StoreError:
            # Connections may be to a server, or a file, in whose place another one will be.
            self.close()
            raise

    @contextmanager
    def _reading_ledger(self) -> Iterator[sa.Connection]:
        with self.ledger.reading() as connection, self.ledger.dialect.limited(connection, QUERY_SECONDS):
            yield connection

    def close(self) -> None:
        """Close every connection. The next use opens new ones."""
        self.database.close()
        self.ledger.close()
