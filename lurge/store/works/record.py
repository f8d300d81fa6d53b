"""Recording observations: in batches through a temporary table, then by statements over all of them.

Everything that follows from observations is computed from them in the same transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any, NamedTuple

import sqlalchemy as sa

from lurge.errors import WorksError
from lurge.model.works import LONGEST_NAME, Observation, TreeKey
from lurge.store.database.dialect import dialect_of
from lurge.store.works import schema
from lurge.store.works.schema import OURS

BATCH = 5_000

incoming = sa.Table(
    "works_incoming",
    sa.MetaData(),
    sa.Column("line", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("obs_date", sa.Date, nullable=False),
    sa.Column("host", sa.String(LONGEST_NAME), nullable=False),
    sa.Column("project", sa.String(LONGEST_NAME), nullable=False),
    sa.Column("work", sa.String(LONGEST_NAME), nullable=False),
    sa.Column("create_date", sa.Date),
    sa.Column("state", sa.String(255), nullable=False),
    sa.Column("publish_state", sa.String(255)),
    sa.Column("image_count", sa.BigInteger, nullable=False),
    *(sa.Column(name, sa.BigInteger) for name in OURS),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("path_hash", sa.String(64), nullable=False),
    prefixes=["TEMPORARY"],
    mysql_charset="utf8mb4", mysql_collate="utf8mb4_bin", mariadb_charset="utf8mb4", mariadb_collate="utf8mb4_bin",
)  # fmt: skip

KEYS = ("idtree", "host_id", "project_id", "work_id", "state_id", "publish_id")

resolved = sa.Table(
    "works_resolved",
    sa.MetaData(),
    sa.Column("line", sa.BigInteger, primary_key=True, autoincrement=False),
    *(sa.Column(name, sa.BigInteger) for name in KEYS),
    sa.Column("obs_date", sa.Date, nullable=False),
    sa.Column("create_date", sa.Date),
    sa.Column("image_count", sa.BigInteger, nullable=False),
    *(sa.Column(name, sa.BigInteger) for name in OURS),
    sa.Column("is_new", sa.Integer, nullable=False),
    prefixes=["TEMPORARY"],
)  # fmt: skip
"""The last line of each work, tree and date, with keys instead of names; whether the date is new for the work."""


class SeenTree(NamedTuple):
    """A tree that was seen whole at a date. unread: (project, work) of works that could not be read; None for all."""

    tree: int
    day: date
    unread: frozenset[tuple[str, str | None]]


class Counted(NamedTuple):
    """The keys of a work in a state. publish: of a published work, else None."""

    tree: int
    project: int
    work: int
    publish: int | None


class Recorder:
    """Records observations in one transaction, which the caller opens and ends.

    states, publish_states: every known state with its description.
    """

    def __init__(self, connection: sa.Connection, states: Mapping[str, str], publish_states: Mapping[str, str]) -> None:
        self._connection = connection
        self._now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
        self._lines = 0
        self._seen: list[SeenTree] = []
        self._know(schema.process_states, states)
        self._know(schema.publish_states, publish_states)
        self._drop_temporary()
        for table in (incoming, resolved):
            table.create(connection, checkfirst=False)

    def _drop_temporary(self) -> None:
        for table in (incoming, resolved):
            dialect_of(self._connection).drop_temporary(self._connection, table.name)

    def _know(self, table: sa.Table, states: Mapping[str, str]) -> None:
        """Enter states that the table does not hold."""
        known = set(self._connection.execute(sa.select(table.c.state_name)).scalars())
        missing = [
            {"state_name": name, "state_desc": text or name} for name, text in states.items() if name not in known
        ]
        if missing:
            self._connection.execute(sa.insert(table), missing)

    def add(self, rows: Iterable[tuple[Observation, str]]) -> int:
        """Take observations, each with the path of its tree; returns their number."""
        before = self._lines
        remaining = iter(rows)
        while batch := list(islice(remaining, BATCH)):
            self._connection.execute(sa.insert(incoming), [self._row(one, path) for one, path in batch])
        return self._lines - before

    def _row(self, one: Observation, path: str) -> dict[str, Any]:
        self._lines += 1
        return {
            "line": self._lines, "obs_date": one.day, "host": one.host, "project": one.project, "work": one.work,
            "create_date": one.create_date, "state": one.state, "publish_state": one.publish_state,
            "image_count": one.images, "file_count": one.files, "bytes": one.bytes, "newest_mtime": one.newest_mtime,
            "path": path, "path_hash": hash_of(path),
        }  # fmt: skip

    def see_tree(self, tree: TreeKey, day: date, unread: Iterable[tuple[str, str | None]] = ()) -> None:
        """Note that a whole tree was seen at a date: works of it that are not taken are not there.

        unread: (project, work) of works that could not be read whole, None for all works of a project: what was known
        of them stays.
        """
        host = self._key(schema.hosts, "process_host", tree.host)
        self._add_trees([(host, tree.state, tree.path)])
        place = self._tree_key(host, tree)
        trees = schema.trees
        self._connection.execute(sa.update(trees).where(trees.c.idtree == place).values(is_walked=True))
        seen = {"idtree": place, "obs_date": day, "works": 0, "image_count": 0}
        self._see([seen])
        self._seen.append(SeenTree(place, day, frozenset(unread)))

    def finish(self) -> None:
        """Store all that follows from the observations."""
        self._add_names()
        self._resolve()
        changed = [*self._with_other_state(), *(key for seen in self._seen for key in self._forget_others(seen))]
        self._store_states()
        self._store_observations()
        for key in changed:
            self._count_again(key)
        for seen in self._seen:
            self._note_unread(seen)
        self._store_dates()
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

    def _count_again(self, key: Counted) -> None:
        """Compute a work's state from all its observations; remove it if there is none any more."""
        row = schema.observations
        of_work = (row.c.process_project_id == key.project) & (row.c.process_work_id == key.work)
        of_work &= row.c.idtree == key.tree
        of_work &= row.c.publish_state_id.is_(None) if key.publish is None else row.c.publish_state_id == key.publish
        names = ("image_count", *OURS)
        query = sa.select(row.c.obs_date, *(row.c[name] for name in names)).where(of_work).order_by(row.c.obs_date)
        rows = self._connection.execute(query).mappings().all()
        is_process = key.publish is None
        table = schema.process_work_states if is_process else schema.publish_work_states
        at = table.c["process_work_id" if is_process else "publish_work_id"] == key.work
        at &= (table.c.idtree == key.tree) & (table.c.process_project_id == key.project)
        if not is_process:
            at &= table.c.publish_state_id == key.publish
        if not rows:
            self._connection.execute(sa.delete(table).where(at))
            return
        dates = {
            "first_obs_date": rows[0]["obs_date"],
            "last_obs_date" if is_process else "obs_date": rows[-1]["obs_date"],
        }
        counts = {name: rows[-1][name] for name in names}
        self._connection.execute(sa.update(table).where(at).values(**dates, **counts, obs_count=len(rows)))

    def _note_unread(self, seen: SeenTree) -> None:
        """Replace the works that could not be read when the tree was last seen."""
        newest = sa.select(sa.func.max(schema.observed.c.obs_date)).where(schema.observed.c.idtree == seen.tree)
        if self._connection.execute(newest).scalar_one() != seen.day:
            return
        table = schema.unread
        of_tree = table.c.idtree == seen.tree
        columns = (table.c.process_project_id, table.c.process_work_id)
        before = set(map(tuple, self._connection.execute(sa.select(*columns).where(of_tree))))
        self._connection.execute(sa.delete(table).where(of_tree))
        keys: set[tuple[int, int]] = set()
        for project, work in seen.unread:
            project_key = self._known_key(schema.projects, "process_project", project)
            if project_key is None:
                continue
            if work is None:
                keys |= {key for key in before | self._seen_before(seen) if key[0] == project_key}
            elif work_key := self._known_key(schema.works, "process_work", work):
                keys.add((project_key, work_key))
        names = ("idtree", "process_project_id", "process_work_id")
        rows = [dict(zip(names, (seen.tree, *key), strict=True)) for key in sorted(keys)]
        if rows:
            self._connection.execute(sa.insert(table), rows)

    def _add_names(self) -> None:
        for table, name, column in (
            (schema.hosts, "process_host", incoming.c.host),
            (schema.projects, "process_project", incoming.c.project),
            (schema.works, "process_work", incoming.c.work),
        ):
            present = sa.select(sa.literal(1)).where(table.c[name] == column).exists()
            new = sa.select(column, sa.literal(self._now), sa.literal(self._now)).where(~present).distinct()
            names = [name, "create_time", "update_time"]
            self._connection.execute(sa.insert(table).from_select(names, new))
        host = schema.hosts
        places = sa.select(host.c.idprocess_host, incoming.c.state, incoming.c.path).join_from(
            incoming, host, host.c.process_host == incoming.c.host
        )
        self._add_trees(self._connection.execute(places.distinct()).all())

    def _add_trees(self, places: Iterable[Any]) -> None:
        table = schema.trees
        known = set(self._connection.execute(
            sa.select(table.c.process_host_id, table.c.state, table.c.path_hash)
        ))  # fmt: skip
        missing = [
            {"process_host_id": host, "state": state, "path": path, "path_hash": hash_of(path), "is_walked": False}
            for host, state, path in places
            if (host, state, hash_of(path)) not in known
        ]
        if missing:
            self._connection.execute(sa.insert(table), missing)

    def _seen_before(self, seen: SeenTree) -> set[tuple[int, int]]:
        """The (project, work) of a tree when it was seen the time before."""
        dates, row = schema.observed, schema.observations
        earlier = (dates.c.idtree == seen.tree) & (dates.c.obs_date < seen.day)
        last = sa.select(sa.func.max(dates.c.obs_date)).where(earlier).scalar_subquery()
        query = sa.select(row.c.process_project_id, row.c.process_work_id)
        rows = self._connection.execute(query.where(row.c.idtree == seen.tree, row.c.obs_date == last))
        return {(project, work) for project, work in map(tuple, rows)}

    def _see(self, rows: list[dict[str, Any]]) -> None:
        """Note that trees were seen at dates, unless it is noted."""
        statement = dialect_of(self._connection).upsert(schema.observed, ("idtree", "obs_date"), lambda new: {})
        self._connection.execute(statement, rows)

    def _known_key(self, table: sa.Table, name: str, value: str) -> int | None:
        """The key of a name; None if it is not stored."""
        key = next(iter(table.primary_key))
        return self._connection.execute(sa.select(key).where(table.c[name] == value)).scalar()

    def _key(self, table: sa.Table, name: str, value: str) -> int:
        """The key of a name, which is stored if it is not yet."""
        known = self._known_key(table, name, value)
        if known is None:
            row = {name: value, "create_time": self._now, "update_time": self._now}
            self._connection.execute(sa.insert(table), [row])
            known = self._known_key(table, name, value)
        assert known is not None
        return known

    def _tree_key(self, host: int, tree: TreeKey) -> int:
        table = schema.trees
        of_tree = (table.c.process_host_id == host) & (table.c.state == tree.state)
        query = sa.select(table.c.idtree).where(of_tree, table.c.path_hash == hash_of(tree.path))
        return int(self._connection.execute(query).scalar_one())

    def _resolve(self) -> None:
        """Turn names into keys, and keep the last line of each work, tree and date."""
        row, old = incoming, schema.observations
        joined = (
            sa.select(
                row.c.line, schema.trees.c.idtree, schema.hosts.c.idprocess_host.label("host_id"),
                schema.projects.c.idprocess_project.label("project_id"), schema.works.c.idprocess_work.label("work_id"),
                schema.process_states.c.idprocess_state.label("state_id"),
                schema.publish_states.c.idpublish_state.label("publish_id"),
                row.c.obs_date, row.c.create_date, row.c.image_count, *(row.c[name] for name in OURS),
            )
            .join_from(row, schema.hosts, schema.hosts.c.process_host == row.c.host)
            .join(schema.projects, schema.projects.c.process_project == row.c.project)
            .join(schema.works, schema.works.c.process_work == row.c.work)
            .join(
                schema.trees,
                (schema.trees.c.process_host_id == schema.hosts.c.idprocess_host)
                & (schema.trees.c.state == row.c.state) & (schema.trees.c.path_hash == row.c.path_hash),
            )
            .join(schema.process_states, schema.process_states.c.state_name == row.c.state)
            .join(schema.publish_states, schema.publish_states.c.state_name == row.c.publish_state, isouter=True)
        ).subquery()  # fmt: skip
        last = sa.func.row_number().over(
            partition_by=[joined.c.idtree, joined.c.project_id, joined.c.work_id, joined.c.obs_date],
            order_by=joined.c.line.desc(),
        )
        ranked = sa.select(joined, last.label("place")).subquery()
        known = sa.case((old.c.idtree.is_(None), 1), else_=0)
        names = [column.name for column in resolved.columns]
        chosen = (
            sa.select(*(ranked.c[name] for name in names[:-1]), known)
            .join_from(
                ranked, old,
                (old.c.idtree == ranked.c.idtree) & (old.c.obs_date == ranked.c.obs_date)
                & (old.c.process_project_id == ranked.c.project_id) & (old.c.process_work_id == ranked.c.work_id),
                isouter=True,
            )
            .where(ranked.c.place == 1)
        )  # fmt: skip
        self._connection.execute(sa.insert(resolved).from_select(names, chosen))
        found = self._connection.execute(sa.select(sa.func.count(sa.distinct(incoming.c.state)))).scalar_one()
        states = self._connection.execute(sa.select(sa.func.count(sa.distinct(resolved.c.state_id)))).scalar_one()
        if found != states:
            raise WorksError("an observation has a state that is not configured")

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
        newest = sa.func.row_number().over(partition_by=group, order_by=row.c.obs_date.desc())
        window: dict[str, Any] = {"partition_by": group}
        ranked = (
            sa.select(
                *(column.label(name) for name, column in zip(keys, group, strict=True)),
                row.c.obs_date, row.c.create_date, row.c.image_count, *(row.c[name] for name in OURS),
                row.c.idtree, newest.label("place"),
                sa.func.min(row.c.obs_date).over(**window).label("first"),
                sa.func.sum(row.c.is_new).over(**window).label("new_dates"),
            )
            .where(of_kind)
            .subquery()
        )  # fmt: skip
        columns = {
            **{name: ranked.c[name] for name in keys},
            "first_obs_date": ranked.c.first, last: ranked.c.obs_date, "obs_count": ranked.c.new_dates,
            created: ranked.c.create_date, "image_count": ranked.c.image_count,
            **{name: ranked.c[name] for name in OURS}, "idtree": ranked.c.idtree,
            "create_time": sa.literal(self._now), "update_time": sa.literal(self._now),
        }  # fmt: skip
        chosen = sa.select(*columns.values()).where(ranked.c.place == 1)

        def changes(new: Any) -> dict[str, Any]:
            old = table.c
            is_newer = sa.or_(old[last].is_(None), new[last] >= old[last])
            kept = {name: sa.case((is_newer, new[name]), else_=old[name]) for name in ("image_count", *OURS, "idtree")}
            return {
                **kept,
                "obs_count": sa.func.coalesce(old.obs_count, 0) + new.obs_count,
                "update_time": new.update_time,
                "first_obs_date": sa.case((new.first_obs_date < old.first_obs_date, new.first_obs_date),
                                          else_=sa.func.coalesce(old.first_obs_date, new.first_obs_date)),
                # Last, because MySQL uses new values in the expressions behind them.
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

    def _store_dates(self) -> None:
        """Compute the sums of every tree and date, and the history, anew for the dates that changed."""
        row = schema.observations
        dates = set(self._connection.execute(sa.select(resolved.c.obs_date).distinct()).scalars())
        dates |= {seen.day for seen in self._seen}
        pairs = self._connection.execute(sa.select(resolved.c.idtree, resolved.c.obs_date).distinct()).all()
        seen = [{"idtree": tree, "obs_date": day, "works": 0, "image_count": 0} for tree, day in pairs]
        if seen:
            self._see(seen)
        of_process = sa.select(
            row.c.obs_date, schema.process_states.c.idprocess_state, row.c.process_project_id,
            sa.func.sum(row.c.image_count), sa.func.count(), sa.literal(self._now), sa.literal(self._now),
        ).join_from(row, schema.trees).join(
            schema.process_states, schema.process_states.c.state_name == schema.trees.c.state
        )  # fmt: skip
        of_publish = sa.select(row.c.obs_date, row.c.publish_state_id, sa.func.count(), sa.func.sum(row.c.image_count))
        sums = sa.select(row.c.idtree, row.c.obs_date, sa.func.count(), sa.func.sum(row.c.image_count))
        for seen_tree in self._seen:
            table = schema.observed
            at = (table.c.idtree == seen_tree.tree) & (table.c.obs_date == seen_tree.day)
            self._connection.execute(sa.update(table).where(at).values(works=0, image_count=0))
        for day in sorted(dates):
            for tree, at, count, images in self._connection.execute(
                sums.where(row.c.obs_date == day).group_by(row.c.idtree, row.c.obs_date)
            ).all():
                table = schema.observed
                place = (table.c.idtree == tree) & (table.c.obs_date == at)
                self._connection.execute(sa.update(table).where(place).values(works=count, image_count=images))
            for table, query, keys in (
                (schema.process_count_history,
                 of_process.where(row.c.obs_date == day, row.c.publish_state_id.is_(None)).group_by(
                     row.c.obs_date, schema.process_states.c.idprocess_state, row.c.process_project_id),
                 ["last_obs_date", "process_state_id", "process_project_id", "image_count", "work_count",
                  "created_time", "updated_time"]),
                (schema.publish_count_history,
                 of_publish.where(row.c.obs_date == day, row.c.publish_state_id.is_not(None)).group_by(
                     row.c.obs_date, row.c.publish_state_id),
                 ["last_obs_date", "publish_state_id", "work_count", "image_count"]),
            ):  # fmt: skip
                self._connection.execute(sa.delete(table).where(table.c.last_obs_date == day))
                self._connection.execute(sa.insert(table).from_select(keys, query))


def hash_of(path: str) -> str:
    """The SHA-256 of a path."""
    return hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()
