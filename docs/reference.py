"""The reference of lurge.toml: tables of keys in docs/configuration.md, and the JSON schema for editors."""

from __future__ import annotations

import json
import re

from lurge.config import Config
from lurge.config.filetypes import BUILT_IN_FILETYPES
from lurge.config.json_schema import published_schema
from lurge.config.schema import Schema
from lurge.config.tables import Table, tables
from lurge.config.toml import toml_key, toml_value

BEGIN, END = "<!-- reference: ", "<!-- end of the reference -->"
HEADINGS = "| key | type | default | meaning | example |\n| --- | --- | --- | --- | --- |"


def with_reference(page: str) -> str:
    """Return the page with a new reference between its marks."""
    before, begin, rest = page.partition(BEGIN)
    mark, _, rest = rest.partition("\n")
    after = rest.partition(END)[2]
    parts = [described(table) for table in tables(Schema.of(Config))]
    return f"{before}{begin}{mark}\n\n" + "\n".join(parts) + f"\n{END}{after}"


def described(table: Table) -> str:
    """Return the section about one table of the file: a heading, its meaning, and a row for each key."""
    default = f" Default: {table.default}." if table.default else ""
    parts = [f"### `{table.header}`\n", linked(table.description) + default + "\n"]
    if table.keys:
        parts.append(HEADINGS)
        for key, value in table.keys.items():
            default = "required" if key in table.required else value.default
            example = f"`{value.example}`" if value.example else ""
            cells = (f"`{key}`", value.kind, default, linked(value.description), example)
            parts.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    if table.free_keys:
        parts += ["```toml", table.header, *(assignment(*pair) for pair in table.free_keys.items()), "```"]
    if table.header == "[filetypes]":
        built_in = (assignment(filetype.name, filetype.suffixes) for filetype in BUILT_IN_FILETYPES)
        parts += ["\nBuilt in are:\n", "```toml", table.header, *built_in, "```"]
    return "\n".join(parts) + "\n"


def assignment(key: str, value: object) -> str:
    """Return a line of TOML."""
    return f"{toml_key(key)} = {toml_value(value)}"


def linked(text: str) -> str:
    """Return a description with links to the pages that it names."""
    return re.sub(r"docs/(\w+\.md)", r"[\1](\1)", text)


def schema_text() -> str:
    """Return the text of lurge.schema.json."""
    return json.dumps(published_schema(Config), indent=2, ensure_ascii=False) + "\n"
