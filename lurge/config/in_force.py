"""The settings in force, and the origin of each value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lurge.config.document import Place, dotted
from lurge.config.elsewhere import FILE
from lurge.config.load import Loaded
from lurge.config.toml import toml_value


@dataclass(frozen=True)
class Setting:
    """A key and its value. value: as in JSON; passwords are hidden.

    origin: `file`, `environment` or `default`. detail: the line, the variable, or the password file.
    """

    key: str
    value: Any
    origin: str
    detail: str

    @property
    def text(self) -> str:
        """The value in TOML."""
        return "not set" if self.value is None else toml_value(self.value)

    @property
    def source(self) -> str:
        """The origin in words."""
        return f"{self.origin}, {self.detail}" if self.detail else self.origin


def settings_in_force(loaded: Loaded) -> list[Setting]:
    """Every key with its value, in the order of the sections."""
    values = loaded.config.model_dump(mode="json", by_alias=True)
    return [Setting(dotted(place), value, *origin_of(loaded, place)) for place, value in leaves(values)]


def leaves(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """The values that are not tables, with their places. Each entry of a list of tables is a leaf."""
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from leaves(below, (*place, key))
    elif isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
        yield from (((*place, number), entry) for number, entry in enumerate(value))
    else:
        yield place, value


def origin_of(loaded: Loaded, place: Place) -> tuple[str, str]:
    """The origin of a value, and its detail, as in `Setting`."""
    for length in range(len(place), 0, -1):
        if outside := loaded.elsewhere.get(place[:length]):
            return outside.origin, outside.detail
    if loaded.document.sets(place):
        return FILE, f"line {loaded.document.line_of(place)}"
    return "default", ""
