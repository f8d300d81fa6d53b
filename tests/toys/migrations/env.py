"""Run by Alembic."""

from lurge.store.database.upgrade import run_migrations

run_migrations()
