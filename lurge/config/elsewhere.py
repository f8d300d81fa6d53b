"""Values from outside lurge.toml: from environment variables and password files."""

from __future__ import annotations

import os
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel

from lurge.config.document import Document, Place
from lurge.config.fields import at_home
from lurge.config.secret import Secret
from lurge.errors import permission_advice

FILE, ENVIRONMENT = "file", "environment"


@dataclass(frozen=True)
class Elsewhere:
    """A value from outside lurge.toml.

    origin: `environment` or `file`. detail: the variable or the file.
    """

    value: Any
    origin: str
    detail: str


class Marker(Protocol):
    """A marker for fields whose values may come from outside the file."""

    def look(self, document: Document, place: Place) -> Elsewhere | None:
        """The value from outside, or None. Raises ConfigError."""


@dataclass(frozen=True)
class TextVariable:
    """A marker for fields that an environment variable sets. The variable has precedence over the file."""

    variable: str
    convert: Callable[[str], Any] = str

    def look(self, document: Document, place: Place) -> Elsewhere | None:
        value = os.environ.get(self.variable)
        if not value:
            return None
        try:
            return Elsewhere(self.convert(value), ENVIRONMENT, f"${self.variable}")
        except ValueError:
            raise document.error(place, f"${self.variable} is {value!r}, not a number") from None


@dataclass(frozen=True)
class PathVariable:
    """A marker for fields that an environment variable sets. The variable has precedence over the file."""

    variable: str

    def look(self, document: Document, place: Place) -> Elsewhere | None:
        value = os.environ.get(self.variable)
        return Elsewhere(os.path.abspath(value), ENVIRONMENT, f"${self.variable}") if value else None


@dataclass(frozen=True)
class PasswordVariable:
    """A marker for passwords. They come from an environment variable, else from the file that `file_key` names."""

    variable: str
    file_key: str = "password_file"

    def look(self, document: Document, place: Place) -> Elsewhere | None:
        """The password, or None. Raises ConfigError if lurge.toml contains it, or if its file cannot be read."""
        if document.at(place) is not None:
            raise document.error(
                place,
                "a password must not be in the file",
                f"Set ${self.variable}, or set {self.file_key} to a file that holds it.",
            )
        if self.variable in os.environ:
            return Elsewhere(Secret(os.environ[self.variable]), ENVIRONMENT, f"${self.variable}")
        key = (*place[:-1], self.file_key)
        name = document.at(key)
        if not isinstance(name, str) or not name or "\0" in name:
            return None
        try:
            path = document.file.parent / at_home(name)
            return Elsewhere(Secret(path.read_text(encoding="utf-8").strip("\n")), FILE, str(path))
        except OSError as error:
            raise document.error(key, f"{name}: {error.strerror}", permission_advice(error)) from error
        except UnicodeDecodeError:
            raise document.error(key, f"{name} is not text") from None
        except ValueError as error:
            raise document.error(key, str(error)) from None


def marked_fields(model: type[BaseModel], above: Place = ()) -> Iterator[tuple[Place, Marker]]:
    """The fields with a marker, of a model and of the models in it, with their places."""
    for name, field in model.model_fields.items():
        place = (*above, field.alias or name)
        for kind in (field.annotation, *typing.get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from marked_fields(kind, place)
        for mark in field.metadata:
            if hasattr(mark, "look"):
                yield place, mark


def look_elsewhere(model: type[BaseModel], document: Document) -> dict[Place, Elsewhere]:
    """The values from outside the file, by place. Raises ConfigError."""
    values = {}
    for place, mark in marked_fields(model):
        table = document.at(place[:-1])
        # A section always exists. A table inside a section, such as [identity.ldap], exists only if the file has it.
        exists = table is None or isinstance(table, dict) if len(place) == 2 else table and isinstance(table, dict)
        if exists:
            value = mark.look(document, place)
            if value:
                values[place] = value
    return values


def with_value(values: dict[str, Any], place: Place, value: object) -> dict[str, Any]:
    """A copy of `values` in which `value` stands at `place`."""
    key, *below = place
    return values | {str(key): with_value(values.get(str(key), {}), tuple(below), value) if below else value}
