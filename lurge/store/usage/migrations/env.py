"""Runs migrations on the connection that store.database hands over."""

from __future__ import annotations

from alembic import context

from lurge.store.usage.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
