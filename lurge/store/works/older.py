"""The tables of works that the older tool made, and the state of their adoption."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from lurge.store.database.area import has_columns
from lurge.store.works import schema

ASIDE = "adopted_"
"""The prefix of the names of tables that are set aside during an adoption."""

KEPT = "older_"
"""The prefix of their names afterwards."""

TABLES = (
    schema.hosts, schema.projects, schema.works, schema.process_states, schema.publish_states,
    schema.process_work_states, schema.publish_work_states, schema.process_count_history, schema.publish_count_history,
)  # fmt: skip
MARKS = {
    "process_hosts": {"idprocess_host", "process_host"},
    "process_projects": {"idprocess_project", "process_project"},
    "process_works": {"idprocess_work", "process_work"},
    "process_states": {"idprocess_state", "state_name"},
    "process_work_states": {"process_project_id", "process_host_id", "process_work_id", "process_state_id"},
}
"""Tables and columns that identify a database of the older tool."""


def recognises(connection: sa.Connection) -> bool:
    """Return whether the older tool made the tables."""
    return has_columns(connection, MARKS)


def begun(tables: Collection[str]) -> bool:
    """Return whether some of `tables` are set aside."""
    return not {ASIDE + table.name for table in TABLES}.isdisjoint(tables)
