"""[basedirs]: the depth of base directories."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lurge.config.fields import Text, Whole, written_as
from lurge.config.section import Section, problem


def from_table(table: dict[str, int]) -> tuple[tuple[str, int], ...]:
    for path in table:
        if not path.startswith("/"):
            raise problem("must be an absolute path", path)
    return tuple(table.items())


class BasedirsConfig(Section):
    """Base directories that `lurge basedirs` finds in dumps."""

    depth: Whole | None = Field(
        None,
        description="Number of components of a base directory's path.",
        examples=[5],
        json_schema_extra={"x-default": "chosen from each tree"},
    )
    prefixes: Annotated[tuple[tuple[str, int], ...], written_as(tuple, dict[Text, Whole], from_table, dict)] = Field(
        default_factory=dict,
        validate_default=True,
        description="Path = depth below that path. If several paths match, the longest counts.",
        examples=[{"/usr": 2}],
    )
