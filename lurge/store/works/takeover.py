"""Rows that the older tool or its procedure wrote, without an observation.

Each becomes an observation of the work at its last date, in a tree as that of a backlog: its project.
"""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa

from lurge.model.works import PUBLISHED
from lurge.store.database.dialect import dialect_of
from lurge.store.works import schema
from lurge.store.works.keys import Keys
from lurge.store.works.schema import OURS


def take_over(connection: sa.Connection, keys: Keys) -> set[date]:
    """Make the missing observations, and give trees to rows without one; returns the dates of the observations."""
    dates: set[date] = set()
    for table, work, publish, last, created in (
        (schema.process_work_states, "process_work_id", None, "last_obs_date", "process_create_date"),
        (schema.publish_work_states, "publish_work_id", "publish_state_id", "obs_date", "publish_create_date"),
    ):
        without = table.c[last].is_not(None) & ~observed(table, work, last)
        state = schema.process_states.c.state_name if publish is None else sa.literal(PUBLISHED)
        places = sa.select(table.c.process_host_id, table.c.process_project_id, schema.hosts.c.process_host,
                           schema.projects.c.process_project, state).join_from(table, schema.hosts)  # fmt: skip
        places = places.join(schema.projects)
        if publish is None:
            places = places.join(schema.process_states)
        for host, project, host_name, project_name, state_name in connection.execute(
            places.where(without).distinct()
        ).all():
            tree = keys.tree(host_name, state_name, project_name)
            own = without & (table.c.process_host_id == host) & (table.c.process_project_id == project)
            if publish is None:
                own &= table.c.process_state_id == keys.state(schema.process_states, state_name)
            rows = connection.execute(sa.select(next(iter(table.primary_key)), table.c[last]).where(own)).all()
            chosen = next(iter(table.primary_key)).in_([key for key, _ in rows])
            observe(connection, table, chosen, tree, work, publish, last, created)
            values = {"idtree": tree, "obs_count": sa.func.coalesce(table.c.obs_count, 1)}
            connection.execute(sa.update(table).where(chosen).values(values))
            count_dates(connection, tree)
            dates.update(day for _, day in rows)
    return dates


def observed(table: sa.Table, work: str, last: str) -> sa.ColumnElement[bool]:
    """Return a condition for rows that have an observation with their date and count."""
    row = schema.observations
    return (
        sa.select(sa.literal(1))
        .where(
            row.c.idtree == table.c.idtree, row.c.obs_date == table.c[last],
            row.c.process_project_id == table.c.process_project_id, row.c.process_work_id == table.c[work],
            row.c.image_count == sa.func.coalesce(table.c.image_count, 0),
        )
        .exists()
    )  # fmt: skip


def observe(
    connection: sa.Connection, table: sa.Table, own: sa.ColumnElement[bool], tree: int, work: str, publish: str | None,
    last: str, created: str,
) -> None:  # fmt: skip
    """Make the observations of some rows; one that is there gets their count."""
    columns = {
        "obs_date": table.c[last], "idtree": sa.literal(tree), "process_project_id": table.c.process_project_id,
        "process_work_id": table.c[work],
        "publish_state_id": sa.cast(sa.null(), sa.BigInteger) if publish is None else table.c[publish],
        "create_date": table.c[created], "image_count": sa.func.coalesce(table.c.image_count, 0),
        **{name: table.c[name] for name in OURS},
    }  # fmt: skip
    keys = ("obs_date", "idtree", "process_project_id", "process_work_id")
    query = list(columns), sa.select(*columns.values()).where(own)
    statement = dialect_of(connection).upsert(
        schema.observations, keys, lambda new: {"image_count": new.image_count}, query
    )
    connection.execute(statement)


def count_dates(connection: sa.Connection, tree: int) -> None:
    """Note the dates at which a tree was seen, with its works and images."""
    row, table = schema.observations, schema.observed
    sums = sa.select(row.c.obs_date, sa.func.count(), sa.func.sum(row.c.image_count)).where(row.c.idtree == tree)
    connection.execute(sa.delete(table).where(table.c.idtree == tree))
    rows = [
        {"idtree": tree, "obs_date": day, "works": works, "image_count": int(images)}
        for day, works, images in connection.execute(sums.group_by(row.c.obs_date)).all()
    ]
    if rows:
        connection.execute(sa.insert(table), rows)
