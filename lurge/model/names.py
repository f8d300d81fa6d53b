"""Groups, and names that fit into a database column."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

LONGEST_NAME = 255
"""Maximum length of a name in the database, in characters."""

DIGEST_LENGTH = 32


class Group(NamedTuple):
    """A group's name, and the name of its PI; None if it has no PI."""

    name: str
    pi: str | None


def storable_name(name: str) -> str:
    """`name` if it has at most LONGEST_NAME characters, else its beginning and a digest of the whole name.

    Different names stay different.
    """
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "backslashreplace")).hexdigest()[:DIGEST_LENGTH]
    return f"{name[: LONGEST_NAME - DIGEST_LENGTH - 1]}~{digest}"
