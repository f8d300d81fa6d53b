"""Types of values that several sections share: names, paths, numbers, lists."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetPydanticSchema,
    Strict,
    ValidationInfo,
)
from pydantic_core import core_schema

from lurge.config.section import Context, problem
from lurge.errors import permission_advice
from lurge.model.names import LONGEST_NAME

LARGEST = 2**31

Whole = Annotated[int, Field(ge=0, le=LARGEST)]
Positive = Annotated[int, Field(ge=1, le=LARGEST)]
Share = Annotated[float, Field(ge=0, le=LARGEST)]


def exact(share: float) -> Fraction:
    """The share exactly as it is written: 0.85 is 17/20, not the nearest double."""
    return Fraction(str(share))


def storable(text: str) -> str:
    """`text`, after a check that a file name and a database can hold it."""
    if not text.strip() or "\0" in text:
        raise ValueError("must not be empty or contain a NUL")
    return text


def short_enough(name: str) -> str:
    """`name`, after a check that it fits into the database."""
    if len(name) > LONGEST_NAME:
        raise ValueError(f"must have at most {LONGEST_NAME} characters")
    return name


def absolute(path: str) -> str:
    """`path` without a trailing slash, after a check that it is absolute."""
    if not path.startswith("/"):
        raise ValueError("must be an absolute path")
    return path.rstrip("/") or "/"


Text = Annotated[str, AfterValidator(storable)]
Name = Annotated[Text, AfterValidator(short_enough)]
Strings = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Strict(False)]
AbsolutePath = Annotated[Text, AfterValidator(absolute), Field(json_schema_extra={"format": "path"})]


@dataclass(frozen=True)
class InReports:
    """A marker for the default of a path: a name in the report directory."""

    name: str


def in_reports(name: str, description: str) -> Any:
    """A field for a path that is in the report directory by default."""
    return Field(
        default_factory=lambda: InReports(name),
        validate_default=True,
        description=description,
        examples=[f"out/{name}"],
        json_schema_extra={"x-default": f"`{name}` in `reports.directory`"},
    )


def resolve(value: object, info: ValidationInfo) -> Path:
    """The path, relative to the configuration file. Without a file it is unchanged."""
    context: Context | None = info.context
    if isinstance(value, InReports):
        return (context.reports if context else Path("out")) / value.name
    if not isinstance(value, str | Path):
        raise ValueError("must be a string")
    path = Path(at_home(storable(str(value))))
    return context.file.parent / path if context else path


def at_home(path: str) -> str:
    """`path` with a leading `~/` expanded. Raises ValueError if $HOME is not set."""
    expanded = os.path.expanduser(path) if path.startswith("~/") else path
    if expanded.startswith("~/"):
        raise ValueError(f"{path}: the home directory is unknown, because $HOME is not set")
    return expanded


def look(path: Path) -> Path:
    """`path`, after a check that it exists and can be accessed."""
    try:
        os.stat(path)
    except OSError as error:
        raise problem(f"{path}: {error.strerror}", advice=permission_advice(error)) from error
    return path


def file_at(path: Path) -> Path:
    """`path`, after a check that it is a file."""
    look(path)
    if not os.path.isfile(path):
        raise ValueError(f"{path} is not a file")
    return path


def directory_at(path: Path) -> Path:
    """`path`, after a check that it is a directory."""
    look(path)
    if not os.path.isdir(path):
        raise ValueError(f"{path} is not a directory")
    return path


RelativePath = Annotated[Path, BeforeValidator(resolve)]
ExistingFile = Annotated[RelativePath, AfterValidator(file_at)]
ExistingDirectory = Annotated[RelativePath, AfterValidator(directory_at)]


def written_as(ready: type, source: Any, read: Callable[[Any], Any], write: Callable[[Any], Any]) -> GetPydanticSchema:
    """An annotation for a type whose form in the file is another type, `source`.

    ready: the type in the program; its values are accepted unchanged. read: converts from the form in the file.
    write: converts back, to show the values in force.
    """

    def schema(_: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_wrap_validator_function(
            lambda value, check: value if isinstance(value, ready) else read(check(value)),
            handler.generate_schema(source),
            serialization=core_schema.plain_serializer_function_ser_schema(write),
        )

    return GetPydanticSchema(schema)
