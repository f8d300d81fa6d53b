"""The sums of each tree and date, and the histories, which follow from the observations."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from lurge.model.works import is_published
from lurge.store.database.dialect import dialect_of
from lurge.store.works import schema
from lurge.store.works.twice import DAYS_AT_ONCE, what_counts

TIMES = ("created_time", "updated_time")


history_before = sa.Table(
    "works_history_before",
    sa.MetaData(),
    *(sa.Column(column.name, column.type, primary_key=True, autoincrement=False)
      for column in schema.process_count_history.primary_key),
    *(sa.Column(name, schema.process_count_history.c[name].type) for name in ("image_count", "work_count", *TIMES)),
    prefixes=["TEMPORARY"],
)  # fmt: skip
"""The rows of a history that are computed anew, as they were before."""


def store_dates(connection: sa.Connection, dates: Collection[date], now: datetime) -> None:
    """Compute the sums and the histories of some dates anew. now: the time of making for new rows."""
    dialect_of(connection).drop_temporary(connection, history_before.name)
    history_before.create(connection, checkfirst=False)
    in_order = sorted(dates)
    for first in range(0, len(in_order), DAYS_AT_ONCE):
        days = in_order[first : first + DAYS_AT_ONCE]
        store_sums(connection, days)
        for table, columns, query in history_queries(connection, now, what_counts(connection, days)):
            at = table.c.last_obs_date.in_(days) & ~table.c.is_adopted
            with keeping_times(connection, at) if table is schema.process_count_history else nullcontext():
                connection.execute(sa.delete(table).where(at))
                keys = [column.name for column in table.primary_key]
                connection.execute(dialect_of(connection).upsert(table, keys, lambda new: {}, (columns, query)))
    dialect_of(connection).drop_temporary(connection, history_before.name)


@contextmanager
def keeping_times(connection: sa.Connection, at: sa.ColumnElement[bool]) -> Iterator[None]:
    """Restore the times of rows of a history that are made anew: that of a change only if nothing changed.

    at: the condition on these rows.
    """
    table, old = schema.process_count_history, history_before
    names = list(old.columns.keys())
    connection.execute(sa.delete(old))
    connection.execute(sa.insert(old).from_select(names, sa.select(*(table.c[name] for name in names)).where(at)))
    yield
    same_row = sa.and_(*(column == table.c[column.name] for column in old.primary_key))
    same = (old.c.image_count == table.c.image_count) & (old.c.work_count == table.c.work_count)
    # One after another: MySQL opens a temporary table once in a statement.
    for name, condition in zip(TIMES, (same_row, same_row & same), strict=True):
        known = sa.select(old.c[name]).where(condition).scalar_subquery()
        connection.execute(sa.update(table).where(at).values({name: sa.func.coalesce(known, table.c[name])}))


def store_sums(connection: sa.Connection, days: Sequence[date]) -> None:
    """Store the works and images of each tree at some dates."""
    row, table = schema.observations, schema.observed
    sums = sa.select(row.c.idtree, row.c.obs_date, sa.func.count(), sa.func.sum(row.c.image_count))
    totals = connection.execute(sums.where(row.c.obs_date.in_(days)).group_by(row.c.obs_date, row.c.idtree)).all()
    if totals:
        of_total = (table.c.idtree == sa.bindparam("tree")) & (table.c.obs_date == sa.bindparam("at"))
        values: dict[str, Any] = {"works": sa.bindparam("count"), "image_count": sa.bindparam("images")}
        connection.execute(
            sa.update(table).where(of_total).values(values),
            [dict(zip(("tree", "at", "count", "images"), total, strict=True)) for total in totals],
        )


def history_queries(
    connection: sa.Connection, now: datetime, counts: sa.ColumnElement[bool]
) -> list[tuple[sa.Table, list[str], sa.Select[Any]]]:
    """Return each table of a history, its columns, and the query for them. counts: the condition on observations."""
    row, trees = schema.observations, schema.trees
    states = connection.execute(sa.select(trees.c.idtree, trees.c.state))
    published = [key for key, state in states if is_published(state)]
    # In the order of the primary key, so that a database adds up as it reads.
    keys = (row.c.obs_date, row.c.idtree, row.c.process_project_id)
    sums = (
        sa.select(*keys, sa.func.sum(row.c.image_count).label("images"), sa.func.count().label("works"))
        .where(counts, row.c.publish_state_id.is_(None))
        .group_by(*keys)
        .subquery()
    )
    of_process = (
        sa.select(
            sums.c.obs_date, schema.process_states.c.idprocess_state, sums.c.process_project_id,
            sa.func.sum(sums.c.images), sa.func.sum(sums.c.works), sa.literal(now), sa.literal(now),
        )
        .join_from(sums, trees, trees.c.idtree == sums.c.idtree)
        .join(schema.process_states, schema.process_states.c.state_name == trees.c.state)
        .group_by(sums.c.obs_date, schema.process_states.c.idprocess_state, sums.c.process_project_id)
    )  # fmt: skip
    of_publish = (
        sa.select(row.c.obs_date, row.c.publish_state_id, sa.func.count(), sa.func.sum(row.c.image_count))
        .where(counts, row.c.publish_state_id.is_not(None), row.c.idtree.in_(published))
        .group_by(row.c.obs_date, row.c.publish_state_id)
    )
    return [
        (schema.process_count_history,
         ["last_obs_date", "process_state_id", "process_project_id", "image_count", "work_count", "created_time",
          "updated_time"], of_process),
        (schema.publish_count_history, ["last_obs_date", "publish_state_id", "work_count", "image_count"], of_publish),
    ]  # fmt: skip
