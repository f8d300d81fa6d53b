"""Groups by name, and names as a database can hold them."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

LONGEST_NAME = 255
"""Characters that the database has for a name."""

DIGEST_LENGTH = 32


class Group(NamedTuple):
    """A group's name and its PI's, None where it has none."""

    name: str
    pi: str | None


def storable_name(name: str) -> str:
    """A name of at most LONGEST_NAME characters: of a longer one its beginning and a digest of the whole.

    Different names stay different.
    """
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "backslashreplace")).hexdigest()[:DIGEST_LENGTH]
    return f"{name[: LONGEST_NAME - DIGEST_LENGTH - 1]}~{digest}"
