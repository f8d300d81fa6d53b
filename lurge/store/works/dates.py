"""The sums of each tree and date, and the histories, which follow from the observations."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from lurge.model.works import is_published
from lurge.store.database.dialect import dialect_of
from lurge.store.works import schema
from lurge.store.works.walked import walked_since

DAYS_AT_ONCE = 500


def store_dates(connection: sa.Connection, dates: Collection[date], now: datetime) -> None:
    """Compute the sums and the histories of some dates anew. now: the time of making for new rows."""
    counts = what_counts(connection)
    in_order = sorted(dates)
    for first in range(0, len(in_order), DAYS_AT_ONCE):
        days = in_order[first : first + DAYS_AT_ONCE]
        store_sums(connection, days)
        for table, columns, query in history_queries(
            connection, now, counts & schema.observations.c.obs_date.in_(days)
        ):
            connection.execute(sa.delete(table).where(table.c.last_obs_date.in_(days), ~table.c.is_adopted))
            keys = [column.name for column in table.primary_key]
            connection.execute(dialect_of(connection).upsert(table, keys, lambda new: {}, (columns, query)))


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


def what_counts(connection: sa.Connection) -> sa.ColumnElement[bool]:
    """The condition on observations that count: not of a tree from the date on that another one replaced it."""
    row = schema.observations
    replaced: dict[date, list[int]] = {}
    for tree, first in walked_since(connection).items():
        replaced.setdefault(first, []).append(tree)
    return sa.and_(
        sa.true(), *(~(row.c.idtree.in_(keys) & (row.c.obs_date >= first)) for first, keys in replaced.items())
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
