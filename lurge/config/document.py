"""The text of a lurge.toml, its values, and the line of each value."""

from __future__ import annotations

import os
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from lurge.errors import ConfigError, permission_advice

DEFAULT_FILE = "lurge.toml"
FILE_VARIABLE = "LURGE_CONFIG"

Place = tuple[str | int, ...]
"""The path to a value: keys of tables, and indexes of list entries."""


def find_file(given: Path | None, optional: bool = False) -> Path:
    """The configuration file: `given`, else $LURGE_CONFIG, else ./lurge.toml.

    optional: ./lurge.toml need not exist. Raises ConfigError.
    """
    required = given or (Path(os.environ[FILE_VARIABLE]) if os.environ.get(FILE_VARIABLE) else None)
    file = required or Path(DEFAULT_FILE)
    try:
        os.stat(file)
    except PermissionError as error:
        raise ConfigError(file, "", f"{error.strerror}", permission_advice(error)) from error
    except OSError:
        pass
    if not os.path.isfile(file) and not (optional and required is None and not os.path.lexists(file)):
        raise ConfigError(
            file,
            "",
            "no such file",
            f"Give --config FILE, set ${FILE_VARIABLE}, or create {DEFAULT_FILE} here with `lurge config init`.",
        )
    return file.absolute()


@dataclass(frozen=True)
class Document:
    """A lurge.toml. If the file does not exist, the text is empty."""

    file: Path
    text: str
    values: dict[str, Any]
    exists: bool = True

    @classmethod
    def read(cls, file: Path) -> Document:
        """Read and parse a file, which need not exist. Raises ConfigError if it cannot be read or is not TOML."""
        try:
            exists = os.path.lexists(file)
            text = file.read_text(encoding="utf-8") if exists else ""
            return cls(file, text, tomllib.loads(text), exists)
        except OSError as error:
            raise ConfigError(file, "", error.strerror or str(error), permission_advice(error)) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(file, "", f"is not TOML: {error}") from error

    def at(self, place: Place) -> Any:
        """The value at a place, or None."""
        value: Any = self.values
        for part in place:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def line_of(self, place: Place) -> int | None:
        """The line of a value, else of the innermost table around its place; None if the file has neither."""
        return next((self._lines[place[:end]] for end in range(len(place), 0, -1) if place[:end] in self._lines), None)

    def sets(self, place: Place) -> bool:
        return place in self._lines

    def error(self, place: Place, problem: str, advice: str | None = None) -> ConfigError:
        """An error about the value at a place."""
        return ConfigError(self.file, dotted(place), problem, advice, line=self.line_of(place))

    @cached_property
    def _lines(self) -> dict[Place, int]:
        """The first line of every key."""
        lines: dict[Place, int] = {}
        entries: Counter[Place] = Counter()
        table: Place = ()
        for number, statement, values in statements(self.text):
            if statement.lstrip().startswith("["):
                names = list(keys_of(values))[-1]
                table = header_place(names, entries, is_entry=statement.lstrip().startswith("[["))
                for place in (table[:-1], table):
                    lines.setdefault(place, number)
            else:
                for place in keys_of(values):
                    lines.setdefault((*table, *place), number)
        return lines


def statements(text: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """The number of the first line, the text and the values of every statement of a TOML document.

    A statement is a table header, or a key with its value. It ends as soon as its lines can be parsed.
    """
    pending, first = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        pending, first = (f"{pending}\n{line}", first) if pending else (line, number)
        try:
            values = tomllib.loads(pending)
        except tomllib.TOMLDecodeError:
            continue
        if values:
            yield first, pending, values
        pending = ""


def header_place(names: Place, entries: Counter[Place], is_entry: bool) -> Place:
    """The table that a header opens, with the indexes of list entries.

    entries: the number of entries of each list so far, which is updated.
    """
    place: Place = ()
    keys = [name for name in names if isinstance(name, str)]
    for depth, key in enumerate(keys, 1):
        place = (*place, key)
        if is_entry and depth == len(keys):
            entries[place] += 1
        if entries[place]:
            place = (*place, entries[place] - 1)
    return place


def keys_of(value: Any) -> Iterator[Place]:
    """Every place inside a value. A place follows the tables and lists that contain it."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in pairs:
        yield (key,)
        for place in keys_of(below):
            yield (key, *place)


def dotted(place: Place) -> str:
    """A place as TOML writes it: `pseudo_groups[0].path`."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if re.fullmatch(r"[A-Za-z0-9_-]+", part) else f'."{part}"'
    return text.removeprefix(".")
