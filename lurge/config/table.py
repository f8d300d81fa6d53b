"""Reading one table of lurge.toml: typed values by key, every mistake named."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from lurge.errors import ConfigError, permission_advice
from lurge.model.names import LONGEST_NAME

T = TypeVar("T")
KINDS: dict[type, str] = {
    str: "a string", int: "a whole number", float: "a number", list: "a list", dict: "a table", bool: "true or false",
}  # fmt: skip


def nearest(key: str, known: Collection[str]) -> str:
    """The key that was probably meant, or all that there are."""
    close = get_close_matches(key, known, 1)
    return f"the nearest key is {close[0]}" if close else f"the keys here are {', '.join(known)}"


class Table:
    """One table of the file: typed values by key.

    known: its keys, where they are not free. Raises ConfigError for any other.
    """

    def __init__(self, file: Path, name: str, values: Mapping[str, Any], known: Collection[str] = ()) -> None:
        self.file = file
        self._name = name
        self._values = values
        for key in values if known else ():
            if key not in known:
                raise self.error(key, f"is unknown; {nearest(key, known)}")

    def has(self, key: str) -> bool:
        return key in self._values

    def names(self) -> list[str]:
        return list(self._values)

    def error(self, key: str, problem: str, advice: str | None = None) -> ConfigError:
        return ConfigError(self.file, f"{self._name}.{key}".strip("."), problem, advice)

    def take(self, key: str, kind: type[T], default: T | None = None) -> T:
        """The value of `key`; the default where it is missing. Raises ConfigError where there is none of either."""
        if key not in self._values:
            if default is None:
                raise self.error(key, "is missing")
            return default
        value = self._values[key]
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise self.error(key, f"must be {KINDS[kind]}")
        return value

    def number(self, key: str, kind: type[T], default: T | None, lowest: float, highest: float = 2**31) -> T:
        value = self.take(key, kind, default)
        if not lowest <= value <= highest:  # type: ignore[operator]  # kind is int or float
            raise self.error(key, f"must be between {lowest} and {highest}")
        return value

    def text(self, key: str) -> str:
        """A string that is not empty and that a file's name or a database can hold."""
        value = self.take(key, str)
        if not value.strip() or "\0" in value:
            raise self.error(key, "must not be empty or hold a NUL")
        return value

    def name(self, key: str) -> str:
        """A string that the database can hold as a name."""
        return self.check_name(key, self.text(key))

    def check_name(self, key: str, name: str) -> str:
        """`name`, or, where it is too long for the database, ConfigError."""
        if len(name) > LONGEST_NAME:
            raise self.error(key, f"must have at most {LONGEST_NAME} characters")
        return name

    def strings(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        values = self.take(key, list, list(default) if default is not None else None)
        if not all(isinstance(value, str) and value for value in values):
            raise self.error(key, "must be a list of strings that are not empty")
        return tuple(values)

    def path(self, key: str, default: str | None = None) -> Path:
        """A path, relative to the file."""
        return self.locate(key, self.text(key) if self.has(key) or default is None else default)

    def locate(self, key: str, path: str) -> Path:
        """A path, relative to the file, or below the home directory where it begins with `~/`."""
        expanded = os.path.expanduser(path) if path.startswith("~/") else path
        if expanded.startswith("~/"):
            raise self.error(key, f"{path}: there is no home directory: $HOME is not set")
        return self.file.parent / expanded

    def existing(self, key: str, default: str | None, test: Callable[[str], bool], what: str) -> Path:
        path = self.path(key, default)
        try:
            os.stat(path)
        except OSError as error:
            raise self.error(key, f"{path}: {error.strerror}", permission_advice(error)) from error
        if not test(str(path)):
            raise self.error(key, f"{path} is not a {what}")
        return path

    def absolute(self, key: str) -> str:
        path = self.text(key)
        if not path.startswith("/"):
            raise self.error(key, "must be an absolute path")
        return path.rstrip("/") or "/"

    def table(self, key: str, *known: str) -> Table:
        return Table(self.file, f"{self._name}.{key}".strip("."), self.take(key, dict, {}), known)

    def tables(self, key: str, *known: str) -> list[Table]:
        values = self.take(key, list, [])
        if not all(isinstance(value, dict) for value in values):
            raise self.error(key, "must be a list of tables")
        name = f"{self._name}.{key}".strip(".")
        return [Table(self.file, f"{name}[{i}]", value, known) for i, value in enumerate(values)]
