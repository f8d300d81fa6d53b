"""Tree indexes for pages: those that there are, and answers that come from one state of an index."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TypeVar

from lurge.errors import PageError
from lurge.store.tree.publish import folder_of, indexed_days, place_of
from lurge.store.tree.read import Index

TIMES = 3
"""Tries to read indexes, each of which a new index interrupted."""

T = TypeVar("T")


def index_of(directory: Path, volume: str, day: date | None) -> Index:
    """The index of a volume and date, the newest without a date. Raises PageError if there is none, TreeError."""
    # With a slash it would be a path, to a folder in which anybody may have put an index of their own.
    days = [] if "/" in volume or "\0" in volume else indexed_days(folder_of(directory, volume))
    if not days:
        raise PageError(f"there is no tree index of {volume}", "`lurge report` builds one each night.")
    if day and day not in days:
        known = ", ".join(map(str, days[-5:]))
        raise PageError(f"there is no tree index of {volume} on {day}", f"The newest are of {known}.")
    return Index(place_of(directory, volume, day or days[-1]))


def from_one_state(make: Callable[[list[Index]], T]) -> T:
    """What `make` makes of the indexes that it adds to a list; again if a new index took the place of one meanwhile.

    Raises what `make` raises.
    """
    for _ in range(TIMES - 1):
        used: list[Index] = []
        try:
            made = make(used)
        except Exception:
            # Rows of one index in place of another's may lead to any error.
            if used and all(index.is_current for index in used):
                raise
        else:
            if all(index.is_current for index in used):
                return made
    return make([])
