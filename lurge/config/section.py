"""The base class of every section of lurge.toml, and the errors that checks raise."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

# Pydantic plugins, which other packages may install, would see passwords. Searching for plugins also takes 10 ms.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


class Section(BaseModel):
    """A table of lurge.toml. Models are frozen, reject unknown keys and do not convert types."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
        # When a file is read, only the model of the whole file is built.
        defer_build=True,
    )


@dataclass
class Context:
    """The context of validation: the configuration file.

    reports: the report directory. It is set when [reports] has been validated.
    """

    file: Path
    reports: Path = field(init=False)

    def __post_init__(self) -> None:
        self.reports = self.file.parent / "out"


def table() -> Any:
    """A field for a table in which all keys have defaults."""
    return Field(default_factory=dict, validate_default=True)


def problem(text: str, *at: str | int, advice: str | None = None) -> PydanticCustomError:
    """An error to raise in a check. at: the key inside the checked value. advice: instead of the general advice."""
    return PydanticCustomError("problem", "{text}", {"text": text, "at": at, "advice": advice})
