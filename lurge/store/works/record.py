"""Recording observations: in batches through a temporary table, then by statements over all of them.

Everything that follows from observations is computed from them in the same transaction.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from functools import cached_property
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa

from lurge.model.works import Observation, TreeKey
from lurge.store.database.bulk import insert_rows
from lurge.store.database.dialect import dialect_of
from lurge.store.works import schema
from lurge.store.works.dates import store_dates
from lurge.store.works.incoming import LINE_BITS, chosen_lines, incoming, incoming_table, resolved, shared
from lurge.store.works.keys import MOST_KEPT, Keys
from lurge.store.works.recount import Recount
from lurge.store.works.schema import OURS
from lurge.store.works.takeover import take_over
from lurge.store.works.twice import Counted, seen_twice

BATCH = 5_000
MOST_HASHES = 8_000_000
"""Hashes of lines that are kept, 8 bytes each, to know that no work occurs twice in a tree at one date."""

INCOMING, SHARED = tuple(incoming.columns.keys()), tuple(shared.columns.keys())
TEMPORARY = (shared, incoming, resolved, chosen_lines)


class SeenTree(NamedTuple):
    """A tree that was seen whole at a date. unread: (project, work) of works that could not be read; None for all."""

    tree: int
    day: date
    unread: frozenset[tuple[str, str | None]]


class LastSeen(NamedTuple):
    """When a tree was seen last, and the number of its works then."""

    day: date
    works: int


class Recorder:
    """Records observations in one transaction, which the caller opens and ends.

    states, publish_states: every known state with its description.
    """

    def __init__(self, connection: sa.Connection, states: Mapping[str, str], publish_states: Mapping[str, str]) -> None:
        self._connection = connection
        self._now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
        self._lines = 0
        self._hashes = array("q")
        self._shared: dict[tuple[Any, ...], tuple[int, int]] = {}
        self._shared_rows = 0
        self._new_shared: list[tuple[Any, ...]] = []
        self._days: set[date] = set()
        self._created: dict[tuple[Any, ...], date | None] = {}
        """The date of creation of each tree and project."""
        self._creations_differ = False
        self._seen: list[SeenTree] = []
        self._know(schema.process_states, states)
        self._know(schema.publish_states, publish_states)
        self._drop_temporary()
        collation = dialect_of(connection).byte_collation(connection)
        for table in (incoming_table(collation), shared, resolved, chosen_lines):
            table.create(connection, checkfirst=False)
        self._keys = Keys(connection, self._now)
        self._taken_over = take_over(connection, self._keys)

    def _drop_temporary(self) -> None:
        for table in TEMPORARY:
            dialect_of(self._connection).drop_temporary(self._connection, table.name)

    def _know(self, table: sa.Table, states: Mapping[str, str]) -> None:
        """Enter states that the table does not hold."""
        known = {name.casefold() for name in self._connection.execute(sa.select(table.c.state_name)).scalars()}
        missing = [
            {"state_name": name, "state_desc": text or name}
            for name, text in states.items()
            if name.casefold() not in known
        ]
        if missing:
            self._connection.execute(sa.insert(table), missing)

    def add(self, rows: Iterable[tuple[Observation, str]]) -> int:
        """Take observations, each with the path of its tree; returns their number."""
        before = self._lines
        remaining = iter(rows)
        while batch := list(islice(remaining, BATCH)):
            values = [self._row(one, path) for one, path in batch]
            insert_rows(self._connection, shared, SHARED, self._new_shared)
            self._new_shared.clear()
            insert_rows(self._connection, incoming, INCOMING, values)
        return self._lines - before

    def _row(self, one: Observation, path: str) -> tuple[Any, ...]:
        """The row of an observation, in the order of INCOMING. Raises WorksError for an unknown state."""
        self._lines += 1
        day, host, project, work, made, state, publish_state, *counts = one
        place = (day, host, project, made, state, publish_state, path)
        found = self._shared.get(place)
        if found is None:
            if len(self._shared) >= MOST_KEPT:
                self._shared.clear()
            found = self._shared[place] = self._share(one, path)
        key, place_hash = found
        if self._lines <= MOST_HASHES:
            # MySQL compares without spaces at the end.
            self._hashes.append(hash((place_hash, work.rstrip(" "))))
        return (self._lines, key, work, *counts)

    def _share(self, one: Observation, path: str) -> tuple[int, int]:
        """Add a row of `shared`; returns its key, and a hash of tree, project and date."""
        self._shared_rows += 1
        keys = self._keys.of(one, path)
        made = one.create_date and one.create_date.isoformat()
        self._days.add(one.day)
        if len(self._created) >= MOST_KEPT:
            self._creations_differ = True
            self._created.clear()
        self._creations_differ |= self._created.setdefault((keys[0], keys[2]), one.create_date) != one.create_date
        self._new_shared.append((self._shared_rows, *keys, one.day.toordinal(), one.day.isoformat(), made))
        return self._shared_rows, hash((keys[0], keys[2], one.day))

    @cached_property
    def _is_unique(self) -> bool:
        """True if surely no work occurs twice in a tree at one date."""
        return self._lines == len(self._hashes) == len(np.unique(np.frombuffer(self._hashes, np.int64)))

    def _has_one_creation(self) -> bool:
        """True if surely all lines of a work have one date of creation."""
        return not self._creations_differ or (len(self._days) <= 1 and self._is_unique)

    def see_tree(self, tree: TreeKey, day: date, unread: Iterable[tuple[str, str | None]] = ()) -> LastSeen | None:
        """Note that a whole tree was seen at a date: works of it that are not taken are not there.

        Returns when it was seen last before, None if it was not.

        unread: (project, work) of works that could not be read whole, None for all works of a project: what was known
        of them stays.
        """
        place = self._keys.tree(tree.host, tree.state, tree.path)
        trees = schema.trees
        self._connection.execute(sa.update(trees).where(trees.c.idtree == place).values(is_walked=True))
        dates = schema.observed.c
        newest = self._connection.execute(
            sa.select(dates.obs_date, dates.works).where(dates.idtree == place).order_by(dates.obs_date.desc()).limit(1)
        ).first()
        seen = {"idtree": place, "obs_date": day, "works": 0, "image_count": 0}
        self._see([seen])
        self._seen.append(SeenTree(place, day, frozenset(unread)))
        return LastSeen(*newest) if newest else None

    def finish(self) -> None:
        """Store all that follows from the observations."""
        self._add_works()
        self._resolve()
        changed = [*self._with_other_state(), *(key for seen in self._seen for key in self._forget_others(seen))]
        self._store_observations()
        pairs = self._see_dates()
        again = {*changed, *seen_twice(self._connection, pairs)}
        recount = Recount(self._connection, self._keys, again, self._now)
        self._store_states()
        recount.store()
        for seen in self._seen:
            self._note_unread(seen)
        self._forget_sums()
        store_dates(self._connection, {day for _, day in pairs} | self._taken_over, self._now)
        self._drop_temporary()

    def _with_other_state(self) -> list[Counted]:
        """The works whose published state was another when they were taken at the same date: both states of each."""
        row, new = schema.observations, resolved.c
        pairs = self._connection.execute(
            sa.select(new.idtree, new.project_id, new.work_id, row.c.publish_state_id, new.publish_id)
            .join_from(
                row, resolved,
                (row.c.idtree == new.idtree) & (row.c.obs_date == new.obs_date)
                & (row.c.process_project_id == new.project_id) & (row.c.process_work_id == new.work_id),
            )
            .where(row.c.publish_state_id != new.publish_id)
        )  # fmt: skip
        return [
            Counted(tree, project, work, publish)
            for tree, project, work, *both in map(tuple, pairs)
            for publish in both
        ]

    def _forget_others(self, seen: SeenTree) -> list[Counted]:
        """Remove the observations of a tree and date that an earlier run took and this one did not; returns these."""
        row, new = schema.observations, resolved.c
        at = (row.c.idtree == seen.tree) & (row.c.obs_date == seen.day)
        again = (
            sa.select(sa.literal(1))
            .where(new.idtree == row.c.idtree, new.obs_date == row.c.obs_date)
            .where(new.project_id == row.c.process_project_id, new.work_id == row.c.process_work_id)
        ).exists()
        query = (
            sa.select(row.c.process_project_id, row.c.process_work_id, row.c.publish_state_id,
                      schema.projects.c.process_project, schema.works.c.process_work)
            .join_from(row, schema.projects)
            .join(schema.works)
            .where(at, ~again)
        )  # fmt: skip
        removed = []
        for project, work, publish, *names in list(map(tuple, self._connection.execute(query))):
            if seen.unread.isdisjoint([tuple(names), (names[0], None)]):
                own = (row.c.process_project_id == project) & (row.c.process_work_id == work)
                self._connection.execute(sa.delete(row).where(at, own))
                removed.append(Counted(seen.tree, project, work, publish))
        return removed

    def _see_dates(self) -> set[tuple[int, date]]:
        """Note the trees and dates of all observations; returns these, and those of trees that were seen whole."""
        pairs = self._connection.execute(sa.select(resolved.c.idtree, resolved.c.obs_date).distinct()).all()
        if pairs:
            self._see([{"idtree": tree, "obs_date": day, "works": 0, "image_count": 0} for tree, day in pairs])
        return {(tree, day) for tree, day in pairs} | {(seen.tree, seen.day) for seen in self._seen}

    def _forget_sums(self) -> None:
        """Set the sums of trees that were seen whole to 0: without an observation, nothing else does."""
        table = schema.observed
        for seen in self._seen:
            at = (table.c.idtree == seen.tree) & (table.c.obs_date == seen.day)
            self._connection.execute(sa.update(table).where(at).values(works=0, image_count=0))

    def _note_unread(self, seen: SeenTree) -> None:
        """Note the works that could not be read at a date, with what was known of them: they are not gone."""
        table, row = schema.unread, schema.observations
        at = (table.c.idtree == seen.tree) & (table.c.obs_date == seen.day)
        self._connection.execute(sa.delete(table).where(at))
        keys: set[tuple[int, int]] = set()
        there = self._there_before(seen) if seen.unread else set()
        for project, work in seen.unread:
            project_key = self._keys.known(schema.projects, project)
            work_key = None if work is None else self._keys.known(schema.works, work)
            keys |= {key for key in there if key[0] == project_key and (work is None or key[1] == work_key)}
        rows = []
        for project_key, work_key in sorted(keys):
            known = sa.select(row.c.obs_date, row.c.publish_state_id, row.c.image_count).where(
                row.c.idtree == seen.tree, row.c.process_project_id == project_key,
                row.c.process_work_id == work_key, row.c.obs_date <= seen.day,
            )  # fmt: skip
            last = self._connection.execute(known.order_by(row.c.obs_date.desc()).limit(1)).first()
            if last and last.obs_date < seen.day:
                rows.append({
                    "idtree": seen.tree, "obs_date": seen.day, "process_project_id": project_key,
                    "process_work_id": work_key, "publish_state_id": last.publish_state_id,
                    "image_count": last.image_count,
                })  # fmt: skip
        if rows:
            self._connection.execute(sa.insert(table), rows)

    def _add_works(self) -> None:
        """Store the names of works that are not stored yet."""
        table = schema.works
        present = sa.select(sa.literal(1)).where(table.c.process_work == incoming.c.work).exists()
        new = sa.select(incoming.c.work, sa.literal(self._now), sa.literal(self._now)).where(~present).distinct()
        names = ["process_work", "create_time", "update_time"]
        self._connection.execute(sa.insert(table).from_select(names, new))

    def _there_before(self, seen: SeenTree) -> set[tuple[int, int]]:
        """The (project, work) of a tree when it was seen the time before, also of those that could not be read."""
        dates = schema.observed
        earlier = (dates.c.idtree == seen.tree) & (dates.c.obs_date < seen.day)
        last = sa.select(sa.func.max(dates.c.obs_date)).where(earlier).scalar_subquery()
        found: set[tuple[int, int]] = set()
        for row in (schema.observations, schema.unread):
            query = sa.select(row.c.process_project_id, row.c.process_work_id)
            rows = self._connection.execute(query.where(row.c.idtree == seen.tree, row.c.obs_date == last))
            found |= {(project, work) for project, work in map(tuple, rows)}
        return found

    def _see(self, rows: list[dict[str, Any]]) -> None:
        """Note that trees were seen at dates, unless it is noted."""
        statement = dialect_of(self._connection).upsert(schema.observed, ("idtree", "obs_date"), lambda new: {})
        self._connection.execute(statement, rows)

    def _choose(self, query: sa.Select[Any], *names: str) -> sa.Table:
        """Fill `chosen_lines` with the rows of a query; returns it."""
        self._connection.execute(sa.delete(chosen_lines))
        self._connection.execute(sa.insert(chosen_lines).from_select(names, query))
        return chosen_lines

    def _resolve(self) -> None:
        """Keep the last line of each work, tree and date, and give it the key of its work.

        Its date of creation is that of the first line of the work that has one.
        """
        row, old = incoming, schema.observations
        lines = row.join(shared, shared.c.id == row.c.shared_id)
        if not self._is_unique:
            of_work = (shared.c.idtree, shared.c.project_id, row.c.work, shared.c.obs_date)
            last = self._choose(sa.select(sa.func.max(row.c.line)).select_from(lines).group_by(*of_work), "line")
            lines = lines.join(last, row.c.line == last.c.line, isouter=True)
        else:
            last = row
        names = [name for name in resolved.columns.keys()[:-1] if name != "work_id"]
        values: dict[str, sa.ColumnElement[Any]] = {name: (shared if name in SHARED else row).c[name] for name in names}
        if not self._has_one_creation():
            values["create_date"] = sa.func.first_value(shared.c.create_date).over(
                partition_by=[shared.c.idtree, shared.c.project_id, shared.c.publish_id, row.c.work],
                order_by=[sa.case((shared.c.create_date.is_(None), 1), else_=0), row.c.line],
            )
        line = (
            sa.select(*(value.label(name) for name, value in values.items()), row.c.work, last.c.line.label("last"))
            .select_from(lines)
            .subquery()
        )
        known = sa.case((old.c.idtree.is_(None), 1), else_=0)
        columns = [
            schema.works.c.idprocess_work if name == "work_id" else line.c[name]
            for name in resolved.columns.keys()[:-1]
        ]
        chosen = (
            sa.select(*columns, known)
            .join_from(line, schema.works, schema.works.c.process_work == line.c.work)
            .join(
                old,
                (old.c.idtree == line.c.idtree) & (old.c.obs_date == line.c.obs_date)
                & (old.c.process_project_id == line.c.project_id)
                & (old.c.process_work_id == schema.works.c.idprocess_work),
                isouter=True,
            )
            .where(line.c.last.is_not(None))
        )  # fmt: skip
        self._connection.execute(sa.insert(resolved).from_select(resolved.columns.keys(), chosen))

    def _store_states(self) -> None:
        """Bring the newest counts of each work and state up to date."""
        self._store(
            schema.process_work_states, resolved.c.publish_id.is_(None), resolved.c.state_id,
            ("process_work_id", "process_state_id", "process_project_id", "process_host_id"),
            "last_obs_date", "process_create_date",
        )  # fmt: skip
        self._store(
            schema.publish_work_states, resolved.c.publish_id.is_not(None), resolved.c.publish_id,
            ("publish_work_id", "publish_state_id", "process_project_id", "process_host_id"),
            "obs_date", "publish_create_date",
        )  # fmt: skip

    def _store(
        self, table: sa.Table, of_kind: sa.ColumnElement[bool], state: sa.Column[Any], keys: tuple[str, ...],
        last: str, created: str,
    ) -> None:  # fmt: skip
        row = resolved
        group = (row.c.work_id, state, row.c.project_id, row.c.host_id)
        # A day and a line are one number, so that the largest is of the newest day.
        newest = sa.func.max(row.c.day * 2**LINE_BITS + row.c.line).bitwise_and(2**LINE_BITS - 1)
        sums = self._choose(
            sa.select(newest, sa.func.min(row.c.obs_date), sa.func.sum(row.c.is_new)).where(of_kind).group_by(*group),
            "line", "first", "new_dates",
        )  # fmt: skip
        columns = {
            **dict(zip(keys, group, strict=True)),
            "first_obs_date": sums.c.first, last: row.c.obs_date, "obs_count": sums.c.new_dates,
            created: row.c.create_date, "image_count": row.c.image_count,
            **{name: row.c[name] for name in OURS}, "idtree": row.c.idtree,
            "create_time": sa.literal(self._now), "update_time": sa.literal(self._now),
        }  # fmt: skip
        # PostgreSQL and SQLite take the WHERE for a part of the conflict clause without it.
        chosen = sa.select(*columns.values()).join_from(sums, row, row.c.line == sums.c.line).where(sa.true())

        def changes(new: Any) -> dict[str, Any]:
            old = table.c
            is_newer = sa.or_(old[last].is_(None), new[last] >= old[last])
            is_other = sa.or_(*(
                sa.func.coalesce(new[name], -1) != sa.func.coalesce(old[name], -1) for name in ("image_count", *OURS)
            ))  # fmt: skip
            is_changed = sa.or_(
                new.obs_count > 0, new.first_obs_date < old.first_obs_date, old.first_obs_date.is_(None),
                is_newer & is_other, old[created].is_(None) & new[created].is_not(None),
            )  # fmt: skip
            kept = {name: sa.case((is_newer, new[name]), else_=old[name]) for name in ("image_count", *OURS, "idtree")}
            return {
                # First, because MySQL uses new values in the expressions behind them.
                "update_time": sa.case((is_changed, new.update_time), else_=old.update_time),
                **kept,
                "obs_count": sa.func.coalesce(old.obs_count, 0) + new.obs_count,
                created: sa.func.coalesce(old[created], new[created]),
                "first_obs_date": sa.case((new.first_obs_date < old.first_obs_date, new.first_obs_date),
                                          else_=sa.func.coalesce(old.first_obs_date, new.first_obs_date)),
                # Last, for the same reason.
                last: sa.case((is_newer, new[last]), else_=old[last]),
            }  # fmt: skip

        statement = dialect_of(self._connection).upsert(table, keys, changes, (list(columns), chosen))
        self._connection.execute(statement)

    def _store_observations(self) -> None:
        row = resolved
        columns = {
            "obs_date": row.c.obs_date, "idtree": row.c.idtree, "process_project_id": row.c.project_id,
            "process_work_id": row.c.work_id, "publish_state_id": row.c.publish_id, "create_date": row.c.create_date,
            "image_count": row.c.image_count, **{name: row.c[name] for name in OURS},
        }  # fmt: skip
        keys = ("obs_date", "idtree", "process_project_id", "process_work_id")

        def changes(new: Any) -> dict[str, Any]:
            return {name: new[name] for name in columns if name not in keys and name != "create_date"}

        # PostgreSQL and SQLite take the WHERE for a part of the conflict clause without it.
        chosen = sa.select(*columns.values()).where(sa.true())
        query = list(columns), chosen
        self._connection.execute(dialect_of(self._connection).upsert(schema.observations, keys, changes, query))
