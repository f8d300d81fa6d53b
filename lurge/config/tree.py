"""[tree]: the index of every directory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from lurge.config.fields import Name, Positive, RelativePath, in_reports, written_as
from lurge.config.filetypes import Suffixes
from lurge.config.section import Section
from lurge.model.rules import FileType
from lurge.model.tree import GENERAL_FILETYPES


def general_filetypes(table: Mapping[str, tuple[str, ...]]) -> tuple[FileType, ...]:
    """The filetypes of a table; the built-in general ones if it is empty."""
    return tuple(FileType(name, suffixes) for name, suffixes in table.items()) or GENERAL_FILETYPES


GeneralFiletypes = Annotated[
    tuple[FileType, ...],
    written_as(
        tuple,
        dict[Name, Suffixes],
        general_filetypes,
        lambda types: {filetype.name: list(filetype.suffixes) for filetype in types},
    ),
]


class TreeConfig(Section):
    """The tree index, which `lurge tree` reads."""

    enabled: bool = Field(True, description="Build the index of every directory in the nightly report.")
    directory: RelativePath = in_reports("tree", "Directory of the indexes.")
    keep: Positive = Field(
        7, description="Days for which every index is kept. Of older ones, the newest of each month is kept."
    )
    filetypes: GeneralFiletypes = Field(
        default_factory=dict,
        validate_default=True,
        description="Name = list of suffixes, for files that no filetype of `[filetypes]` matches. This table replaces"
        " the built-in general filetypes.",
        examples=[{"log": [".log", ".out"]}],
    )
