"""The tables of lurge.toml with their keys, for the documentation and the example file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lurge.config.schema import Schema
from lurge.config.toml import toml_key


@dataclass(frozen=True)
class Table:
    """A table of the file with its own keys, without the keys of tables in it.

    free_keys: example keys and values, if the table allows any key.
    """

    header: str
    description: str
    default: str
    keys: dict[str, Schema]
    free_keys: dict[str, Any]
    required: list[str]


def tables(parent: Schema, above: str = "") -> Iterator[Table]:
    """The tables in `parent`, in the order of the models. Each is followed by the tables in it."""
    for key in parent.names():
        table, name = parent.below(key), f"{above}{toml_key(key)}"
        if not (table.is_table or table.is_list_of_tables):
            continue
        entry = table.below(0) if table.is_list_of_tables else table
        own = {key: entry.below(key) for key in entry.names()}
        own = {key: value for key, value in own.items() if not (value.is_table or value.is_list_of_tables)}
        if own or not entry.names():
            header = f"[[{name}]]" if table.is_list_of_tables else f"[{name}]"
            free_keys = {} if own else table.example_table
            description = table.description or entry.description
            yield Table(header, description, table.default_in_words, own, free_keys, entry.required())
        yield from tables(entry, f"{name}.")
