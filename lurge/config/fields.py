"""Types of values that several sections share: names, paths, numbers, lists."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
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


def storable(text: str) -> str:
    """`text`, if a file's name or a database can hold it."""
    if not text.strip() or "\0" in text:
        raise ValueError("must not be empty or hold a NUL")
    return text


def short_enough(name: str) -> str:
    """`name`, if the database has room for it."""
    if len(name) > LONGEST_NAME:
        raise ValueError(f"must have at most {LONGEST_NAME} characters")
    return name


def absolute(path: str) -> str:
    """An absolute path, without a slash at its end."""
    if not path.startswith("/"):
        raise ValueError("must be an absolute path")
    return path.rstrip("/") or "/"


Text = Annotated[str, AfterValidator(storable)]
Name = Annotated[Text, AfterValidator(short_enough)]
Strings = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Strict(False)]
AbsolutePath = Annotated[Text, AfterValidator(absolute), Field(json_schema_extra={"format": "path"})]


@dataclass(frozen=True)
class InReports:
    """The default of a path: a name in the report directory."""

    name: str


def in_reports(name: str, description: str) -> Any:
    """The field of a path that lies in the report directory unless the file says otherwise."""
    return Field(
        default_factory=lambda: InReports(name),
        validate_default=True,
        description=description,
        examples=[f"out/{name}"],
        json_schema_extra={"x-default": f"`{name}` in `reports.directory`"},
    )


def resolve(value: object, info: ValidationInfo) -> Path:
    """A path relative to the configuration file; without a file it stays as it is."""
    context: Context | None = info.context
    if isinstance(value, InReports):
        return (context.reports if context else Path("out")) / value.name
    if not isinstance(value, str | Path):
        raise ValueError("must be a string")
    path = Path(at_home(storable(str(value))))
    return context.file.parent / path if context else path


def at_home(path: str) -> str:
    """`path`, below the home directory if it begins with `~/`. Raises ValueError if there is none."""
    expanded = os.path.expanduser(path) if path.startswith("~/") else path
    if expanded.startswith("~/"):
        raise ValueError(f"{path}: there is no home directory: $HOME is not set")
    return expanded


def look(path: Path) -> Path:
    """`path`, if it is there and can be looked at."""
    try:
        os.stat(path)
    except OSError as error:
        raise problem(f"{path}: {error.strerror}", advice=permission_advice(error)) from error
    return path


def file_at(path: Path) -> Path:
    """`path`, if it is a file."""
    look(path)
    if not os.path.isfile(path):
        raise ValueError(f"{path} is not a file")
    return path


def directory_at(path: Path) -> Path:
    """`path`, if it is a directory."""
    look(path)
    if not os.path.isdir(path):
        raise ValueError(f"{path} is not a directory")
    return path


RelativePath = Annotated[Path, BeforeValidator(resolve)]
ExistingFile = Annotated[RelativePath, AfterValidator(file_at)]
ExistingDirectory = Annotated[RelativePath, AfterValidator(directory_at)]


def written_as(ready: type, source: Any, read: Callable[[Any], Any], write: Callable[[Any], Any]) -> GetPydanticSchema:
    """The annotation of a type that a file writes in another form: `source`. A value of type `ready` stays as it is.

    read: from the other form to the type. write: back, for those who show what is in force.
    """

    def schema(_: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_wrap_validator_function(
            lambda value, check: value if isinstance(value, ready) else read(check(value)),
            handler.generate_schema(source),
            serialization=core_schema.plain_serializer_function_ser_schema(write),
        )

    return GetPydanticSchema(schema)
