"""The settings in force, and the origin of each value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lurge.config.document import Place, dotted
from lurge.config.load import Loaded
from lurge.config.toml import toml_value

DEFAULT = "default"


@dataclass(frozen=True)
class Setting:
    """One key. value: as JSON has it, a password hidden. origin: line of the file, environment variable, or default."""

    key: str
    value: Any
    origin: str

    @property
    def text(self) -> str:
        """The value as TOML writes it."""
        return "not set" if self.value is None else toml_value(self.value)


def settings_in_force(loaded: Loaded) -> list[Setting]:
    """Every key with its value, in the order of the sections."""
    values = loaded.config.model_dump(mode="json", by_alias=True)
    return [Setting(dotted(place), value, origin_of(loaded, place)) for place, value in leaves(values)]


def leaves(value: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """The keys that are not tables themselves. A list of tables has one leaf for each."""
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from leaves(below, (*place, key))
    elif isinstance(value, list) and value and all(isinstance(entry, dict) for entry in value):
        yield from (((*place, number), entry) for number, entry in enumerate(value))
    else:
        yield place, value


def origin_of(loaded: Loaded, place: Place) -> str:
    if place in loaded.origins:
        return loaded.origins[place]
    # A volume may be a name in the file and a table here.
    return f"line {loaded.document.line_of(place)}" if loaded.document.sets(place) else DEFAULT
