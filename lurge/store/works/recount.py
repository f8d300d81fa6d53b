"""Counting works in a state again, from all their observations."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from lurge.store.works import schema
from lurge.store.works.keys import Keys
from lurge.store.works.schema import OURS
from lurge.store.works.twice import Counted


class Place(NamedTuple):
    """The host and state of a work's tree, and the table and condition of the work's row. before: the row, if any."""

    host: int
    state: str
    table: sa.Table
    at: sa.ColumnElement[bool]
    before: dict[str, Any]


class Recount:
    """Counts some works again at the end of a transaction. now: the time of a change.

    It is made before their states are stored: if nothing changes in the end, the time of the last change stays.
    """

    def __init__(self, connection: sa.Connection, keys: Keys, works: Iterable[Counted], now: datetime) -> None:
        self._connection, self._keys, self._now = connection, keys, now
        self._places = {work: self._place(work) for work in works}

    def _place(self, work: Counted) -> Place:
        tree = schema.trees.c
        query = sa.select(tree.process_host_id, tree.state).where(tree.idtree == work.tree)
        host, state = self._connection.execute(query).one()
        is_process = work.publish is None
        table = schema.process_work_states if is_process else schema.publish_work_states
        at = table.c["process_work_id" if is_process else "publish_work_id"] == work.work
        at &= (table.c.process_host_id == host) & (table.c.process_project_id == work.project)
        if is_process:
            at &= table.c.process_state_id == self._keys.state(schema.process_states, state)
        else:
            at &= table.c.publish_state_id == work.publish
        return Place(host, state, table, at, self._row(table, at))

    def _row(self, table: sa.Table, at: sa.ColumnElement[bool]) -> dict[str, Any]:
        """A row as it is stored; empty if there is none."""
        return dict(self._connection.execute(sa.select(table).where(at)).mappings().first() or {})

    def store(self) -> None:
        """Store the states of all works."""
        for work, place in self._places.items():
            self._store(work, *place)

    def _store(
        self, work: Counted, host: int, state: str, table: sa.Table, at: sa.ColumnElement[bool], before: dict[str, Any]
    ) -> None:
        """Compute a work's state from all its observations, in all trees of its host and state; remove it without any.

        Of several trees with it at one date, that of `twice.what_counts` tells its count.
        """
        row, tree = schema.observations, schema.trees
        of_work = (row.c.process_project_id == work.project) & (row.c.process_work_id == work.work)
        of_work &= (tree.c.process_host_id == host) & (tree.c.state == state)
        of_work &= row.c.publish_state_id.is_(None) if work.publish is None else row.c.publish_state_id == work.publish
        names = ("image_count", *OURS, "idtree")
        query = sa.select(row.c.obs_date, *(row.c[name] for name in names)).join_from(row, tree).where(of_work)
        order = (row.c.obs_date, tree.c.is_walked, tree.c.idtree)
        rows = self._connection.execute(query.order_by(*order)).mappings().all()
        if not rows:
            self._connection.execute(sa.delete(table).where(at, table.c.older_count.is_(None)))
            return
        first, last = rows[0]["obs_date"], rows[-1]["obs_date"]
        values = {
            "first_obs_date": sa.case((table.c.older_first < first, table.c.older_first), else_=first),
            "last_obs_date" if work.publish is None else "obs_date": last,
            "obs_count": len({one["obs_date"] for one in rows}) + sa.func.coalesce(table.c.older_count, 0),
            **{name: rows[-1][name] for name in names},
        }
        self._connection.execute(sa.update(table).where(at).values(values))
        is_same = {**self._row(table, at), "update_time": None} == {**before, "update_time": None}
        time = before["update_time"] if is_same else self._now
        self._connection.execute(sa.update(table).where(at).values(update_time=time))
