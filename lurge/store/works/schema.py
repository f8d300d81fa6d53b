"""The tables of the works area. A viewer reads the tables and views of the older tool's names.

`works_observations` is the source of all: one row for each work, tree and date. The other tables follow from it.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from lurge.model.works import LONGEST_NAME
from lurge.store.database.area import NAMES_OF_CONSTRAINTS, OPTIONS, BigId

metadata = sa.MetaData(naming_convention=NAMES_OF_CONSTRAINTS)


def times() -> list[sa.Column[Any]]:
    """The times of making and changing a row."""
    return [sa.Column("create_time", sa.DateTime), sa.Column("update_time", sa.DateTime)]


def names(table: str, prefix: str) -> sa.Table:
    """A table of unique names."""
    return sa.Table(
        table, metadata, sa.Column(f"id{prefix}", BigId, primary_key=True),
        sa.Column(prefix, sa.String(LONGEST_NAME), nullable=False, unique=True), *times(), **OPTIONS,
    )  # fmt: skip


def states(table: str, prefix: str) -> sa.Table:
    """A table of states."""
    return sa.Table(
        table, metadata, sa.Column(f"id{prefix}", BigId, primary_key=True),
        sa.Column("state_name", sa.String(255), nullable=False, unique=True), sa.Column("state_desc", sa.String(255)),
        **OPTIONS,
    )  # fmt: skip


hosts = names("process_hosts", "process_host")
projects = names("process_projects", "process_project")
works = names("process_works", "process_work")
process_states = states("process_states", "process_state")
publish_states = states("publish_states", "publish_state")


def reference(name: str, column: sa.Column[int], **options: Any) -> sa.Column[int]:
    """A column that refers to a key."""
    return sa.Column(name, BigId, sa.ForeignKey(column), nullable=False, **options)


trees = sa.Table(
    "works_trees",
    metadata,
    sa.Column("idtree", BigId, primary_key=True),
    reference("process_host_id", hosts.c.idprocess_host),
    sa.Column("state", sa.String(255), nullable=False),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("path_hash", sa.String(64), nullable=False, comment="SHA-256 of the path: a text cannot be unique."),
    sa.Column("is_walked", sa.Boolean(create_constraint=False), nullable=False),
    sa.UniqueConstraint("process_host_id", "state", "path_hash", name="uq_works_trees_place"),
    **OPTIONS,
)

observed = sa.Table(
    "works_observed",
    metadata,
    sa.Column("idtree", BigId, sa.ForeignKey(trees.c.idtree), primary_key=True, autoincrement=False),
    sa.Column("obs_date", sa.Date, primary_key=True),
    sa.Column("works", sa.BigInteger, nullable=False),
    sa.Column("image_count", sa.BigInteger, nullable=False),
    **OPTIONS,
)
"""The dates at which each tree was seen."""

observations = sa.Table(
    "works_observations",
    metadata,
    sa.Column("obs_date", sa.Date, primary_key=True),
    sa.Column("idtree", BigId, sa.ForeignKey(trees.c.idtree), primary_key=True, autoincrement=False),
    sa.Column(
        "process_project_id", BigId, sa.ForeignKey(projects.c.idprocess_project), primary_key=True, autoincrement=False
    ),
    sa.Column("process_work_id", BigId, sa.ForeignKey(works.c.idprocess_work), primary_key=True, autoincrement=False),
    sa.Column("publish_state_id", BigId, sa.ForeignKey(publish_states.c.idpublish_state)),
    sa.Column("create_date", sa.Date),
    sa.Column("image_count", sa.BigInteger, nullable=False),
    sa.Column("file_count", sa.BigInteger),
    sa.Column("bytes", sa.BigInteger),
    sa.Column("newest_mtime", sa.BigInteger),
    sa.Index(None, "process_work_id"),
    **OPTIONS,
)

unread = sa.Table(
    "works_unread",
    metadata,
    sa.Column("obs_date", sa.Date, primary_key=True),
    sa.Column("idtree", BigId, sa.ForeignKey(trees.c.idtree), primary_key=True, autoincrement=False),
    sa.Column(
        "process_project_id", BigId, sa.ForeignKey(projects.c.idprocess_project), primary_key=True, autoincrement=False
    ),
    sa.Column("process_work_id", BigId, sa.ForeignKey(works.c.idprocess_work), primary_key=True, autoincrement=False),
    sa.Column("publish_state_id", BigId, sa.ForeignKey(publish_states.c.idpublish_state)),
    sa.Column("image_count", sa.BigInteger, nullable=False),
    **OPTIONS,
)
"""The works that were known, but could not be read when their tree was seen: they are not gone. image_count: the last
count before."""

OURS = ("file_count", "bytes", "newest_mtime")


def of_older_tool() -> list[sa.Column[Any]]:
    """Make the columns of what the older tool knew beside its newest observation: how many more, since when."""
    return [sa.Column("older_count", sa.BigInteger), sa.Column("older_first", sa.Date)]


process_work_states = sa.Table(
    "process_work_states",
    metadata,
    sa.Column("idprocess_work_state", BigId, primary_key=True),
    reference("process_project_id", projects.c.idprocess_project),
    reference("process_host_id", hosts.c.idprocess_host),
    reference("process_work_id", works.c.idprocess_work),
    reference("process_state_id", process_states.c.idprocess_state),
    sa.Column("first_obs_date", sa.Date),
    sa.Column("last_obs_date", sa.Date),
    sa.Column("obs_count", sa.BigInteger),
    sa.Column("process_create_date", sa.Date),
    sa.Column("image_count", sa.BigInteger),
    *times(),
    *(sa.Column(name, sa.BigInteger) for name in OURS),
    sa.Column("idtree", BigId, sa.ForeignKey(trees.c.idtree)),
    *of_older_tool(),
    sa.UniqueConstraint(
        "process_work_id",
        "process_state_id",
        "process_project_id",
        "process_host_id",
        name="uq_process_work_states_key",
    ),
    **OPTIONS,
)

publish_work_states = sa.Table(
    "publish_work_states",
    metadata,
    sa.Column("idpublish_work_state", BigId, primary_key=True),
    reference("publish_work_id", works.c.idprocess_work),
    reference("publish_state_id", publish_states.c.idpublish_state),
    reference("process_host_id", hosts.c.idprocess_host),
    reference("process_project_id", projects.c.idprocess_project),
    sa.Column("first_obs_date", sa.Date),
    sa.Column("obs_date", sa.Date),
    sa.Column("obs_count", sa.BigInteger),
    sa.Column("publish_create_date", sa.Date),
    sa.Column("image_count", sa.BigInteger),
    *times(),
    *(sa.Column(name, sa.BigInteger) for name in OURS),
    sa.Column("idtree", BigId, sa.ForeignKey(trees.c.idtree)),
    *of_older_tool(),
    sa.UniqueConstraint(
        "publish_work_id",
        "publish_state_id",
        "process_host_id",
        "process_project_id",
        name="uq_publish_work_states_key",
    ),
    **OPTIONS,
)


def is_adopted() -> sa.Column[bool]:
    """Make the column that marks a row of the older tool: it is kept as it is."""
    return sa.Column("is_adopted", sa.Boolean(create_constraint=False), nullable=False, server_default=sa.false())


process_count_history = sa.Table(
    "process_count_history",
    metadata,
    sa.Column("last_obs_date", sa.Date, primary_key=True),
    sa.Column(
        "process_state_id", BigId, sa.ForeignKey(process_states.c.idprocess_state), primary_key=True,
        autoincrement=False,
    ),
    sa.Column(
        "process_project_id", BigId, sa.ForeignKey(projects.c.idprocess_project), primary_key=True, autoincrement=False
    ),
    sa.Column("image_count", sa.BigInteger),
    sa.Column("work_count", sa.BigInteger),
    sa.Column("created_time", sa.DateTime),
    sa.Column("updated_time", sa.DateTime),
    is_adopted(),
    **OPTIONS,
)  # fmt: skip

publish_count_history = sa.Table(
    "publish_count_history",
    metadata,
    sa.Column("last_obs_date", sa.Date, primary_key=True),
    sa.Column(
        "publish_state_id", BigId, sa.ForeignKey(publish_states.c.idpublish_state), primary_key=True,
        autoincrement=False,
    ),
    sa.Column("work_count", sa.BigInteger),
    sa.Column("image_count", sa.BigInteger),
    is_adopted(),
    **OPTIONS,
)  # fmt: skip

loaded = sa.Table(
    "works_loaded",
    metadata,
    sa.Column("content", sa.String(64), primary_key=True, comment="SHA-256 of a backlog that was loaded."),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("loaded_time", sa.DateTime, nullable=False),
    sa.Column("observations", sa.BigInteger, nullable=False),
    sa.Column("rejected", sa.BigInteger, nullable=False),
    **OPTIONS,
)

VIEWS = {
    "process_view": """
        SELECT p.process_project, w.process_work, s.image_count, s.first_obs_date, s.last_obs_date,
            t.state_desc AS process_state, s.create_time, s.update_time
        FROM process_work_states s
        JOIN process_projects p ON p.idprocess_project = s.process_project_id
        JOIN process_works w ON w.idprocess_work = s.process_work_id
        JOIN process_states t ON t.idprocess_state = s.process_state_id""",
    "publish_view": """
        SELECT w.process_work, s.publish_create_date, t.state_desc, s.image_count, s.create_time, s.update_time
        FROM publish_work_states s
        JOIN process_works w ON w.idprocess_work = s.publish_work_id
        JOIN publish_states t ON t.idpublish_state = s.publish_state_id""",
    "process_count_history_view": """
        SELECT p.process_project, h.last_obs_date, t.state_desc AS process_state, h.image_count,
            h.created_time AS create_time, h.updated_time AS update_time
        FROM process_count_history h
        JOIN process_projects p ON p.idprocess_project = h.process_project_id
        JOIN process_states t ON t.idprocess_state = h.process_state_id""",
    "publish_count_history_view": """
        SELECT h.last_obs_date, t.state_desc, h.work_count, h.image_count
        FROM publish_count_history h
        JOIN publish_states t ON t.idpublish_state = h.publish_state_id""",
}
"""The views that viewers read, by name."""
