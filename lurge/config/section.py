"""The base of every section of lurge.toml, and how a check names the key it is about."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

# Plugins of pydantic, which other packages install, would see passwords, and looking for them takes 10 ms.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


class Section(BaseModel):
    """A table of lurge.toml. Models are frozen, refuse unknown keys and convert no types."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
        # Only the model of the whole file is compiled when a file is read.
        defer_build=True,
    )


@dataclass
class Context:
    """The surroundings of the values that are checked: the file that they stand in.

    reports: the report directory, known as soon as [reports] is checked.
    """

    file: Path
    reports: Path = field(init=False)

    def __post_init__(self) -> None:
        self.reports = self.file.parent / "out"


def table() -> Any:
    """The field of a table whose keys all have defaults."""
    return Field(default_factory=dict, validate_default=True)


def problem(text: str, *at: str | int, advice: str | None = None) -> PydanticCustomError:
    """An error to raise in a check. at: the key below the value that is checked; advice: better than the general."""
    return PydanticCustomError("problem", "{text}", {"text": text, "at": at, "advice": advice})
