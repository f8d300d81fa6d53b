"""[path_aliases]: replacements for paths that people know under other names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated

from lurge.config.fields import written_as
from lurge.config.section import problem
from lurge.model.paths import PathAliases


def from_table(table: Mapping[str, str]) -> PathAliases:
    """The aliases of a table of regular expressions and replacements."""
    for expression, replacement in table.items():
        try:
            PathAliases.compile([(expression, replacement)])
        except (re.error, IndexError, RecursionError, OverflowError) as error:
            raise problem(f"is not a valid regular expression and replacement: {error}", expression) from error
    return PathAliases.compile(table.items())


Aliases = Annotated[
    PathAliases, written_as(PathAliases, dict[str, str], from_table, lambda aliases: dict(aliases.pairs()))
]
