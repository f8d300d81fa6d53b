"""A commented lurge.toml to start from: every key with its meaning, and its default or an example."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from pydantic import BaseModel

from lurge.config.schema import Schema
from lurge.config.tables import Table, tables
from lurge.config.toml import toml_key, toml_value

WIDTH = 100
HEAD = """\
# Configuration of lurge. docs/configuration.md explains all keys; `lurge config show` prints all values.
# A line that begins with # and no space is a setting: to use it, remove its # and that of its [table].
# Values are defaults, or examples if there is no default. Relative paths are relative to this file.
# This file must not contain passwords: set $LURGE_DB_PASSWORD or $LURGE_LDAP_PASSWORD, or a password_file.
"""


def example_file(model: type[BaseModel]) -> str:
    """The text of the file. All settings are commented out, so it has the same effect as no file."""
    return "\n".join([HEAD, *(line for table in tables(Schema.of(model)) for line in table_lines(table))])


def table_lines(table: Table) -> Iterator[str]:
    yield from comment(table.description)
    yield f"#{table.header}"
    for key, value in table.keys.items():
        yield from comment(value.description)
        yield f"#{toml_key(key)} = {value.example}"
    for key, example in table.free_keys.items():
        yield f"#{toml_key(key)} = {toml_value(example)}"
    yield ""


def comment(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="# ")
