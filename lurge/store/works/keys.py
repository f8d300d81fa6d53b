"""Keys of the names in observations. They are looked up once, and added if they are not stored."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from lurge.errors import WorksError
from lurge.model.paths import shown
from lurge.model.works import Observation
from lurge.store.works import schema

MOST_KEPT = 50_000
"""Keys of each kind that are kept, so that memory does not grow with their number."""


class Keys:
    """The keys of one transaction. now: the time of making for new names."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._kept: dict[str, dict[Any, int]] = {}
        self._of_states: dict[str, dict[str, tuple[int, str]]] = {}

    def of(self, one: Observation, path: str) -> tuple[int | None, ...]:
        """The keys of tree, host, project, state and published state. Raises WorksError for an unknown state."""
        published = one.publish_state and self.state(schema.publish_states, one.publish_state)
        return (
            self.tree(one.host, one.state, path), self.added(schema.hosts, one.host),
            self.added(schema.projects, one.project), self.state(schema.process_states, one.state), published or None,
        )  # fmt: skip

    def added(self, table: sa.Table, name: str) -> int:
        """The key of a name, which is added if it is not stored."""
        return self._get(table.name, name, lambda: self.known(table, name) or self._add(table, name))

    def known(self, table: sa.Table, name: str) -> int | None:
        """The key of a name; None if it is not stored."""
        key, column = list(table.columns)[:2]
        return self._connection.execute(sa.select(key).where(column == name)).scalar()

    def state(self, table: sa.Table, name: str) -> int:
        """Return the key of a state, in any case. Raises WorksError if it is not configured."""
        return self._states(table, name)[0]

    def _states(self, table: sa.Table, name: str) -> tuple[int, str]:
        """The key and the stored name of a state."""
        if table.name not in self._of_states:
            query = sa.select(next(iter(table.primary_key)), table.c.state_name)
            rows = self._connection.execute(query)
            self._of_states[table.name] = {stored.casefold(): (key, stored) for key, stored in rows}
        found = self._of_states[table.name].get(name.casefold())
        if found is None:
            raise WorksError(f"an observation has the state {name!r}, which is not configured")
        return found

    def tree(self, host: str, state: str, path: str) -> int:
        """The key of a tree, which is added if it is not stored."""
        table, host_key = schema.trees, self.added(schema.hosts, host)
        state = self._states(schema.process_states, state)[1]

        def find() -> int:
            place = {"process_host_id": host_key, "state": state, "path_hash": hash_of(path)}
            query = sa.select(table.c.idtree).where(*(table.c[name] == value for name, value in place.items()))
            key = self._connection.execute(query).scalar()
            if key is None:
                values = {**place, "path": text_of(path), "is_walked": False}
                key = self._insert(table, values)
            return int(key)

        return self._get(table.name, (host_key, state, path), find)

    def _add(self, table: sa.Table, name: str) -> int:
        column = list(table.columns)[1]
        values = {column.name: name, "create_time": self._now, "update_time": self._now}
        return self._insert(table, values)

    def _insert(self, table: sa.Table, values: dict[str, Any]) -> int:
        """Add a row; returns its key."""
        key = self._connection.execute(sa.insert(table).values(values)).inserted_primary_key
        assert key
        return int(key[0])

    def _get(self, kind: str, name: Any, find: Callable[[], int]) -> int:
        kept = self._kept.setdefault(kind, {})
        if name not in kept:
            if len(kept) >= MOST_KEPT:
                kept.clear()
            kept[name] = find()
        return kept[name]


def hash_of(path: str) -> str:
    """The SHA-256 of a path."""
    return hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()


def text_of(name: str) -> str:
    """Return a path or name as it is stored. Invalid bytes are shown as text."""
    return shown(os.fsencode(name))
