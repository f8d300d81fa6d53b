"""The environment of the migrations, which Alembic runs."""

from lurge.store.database.upgrade import run_migrations

run_migrations()
