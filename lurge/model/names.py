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


def storable_name(name: str, longest: int = LONGEST_NAME) -> str:
    """`name` if it has at most `longest` characters, else its beginning and a digest of the whole name.

    Different names stay different.
    """
    if len(name) <= longest:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "backslashreplace")).hexdigest()[:DIGEST_LENGTH]
    return f"{name[: longest - DIGEST_LENGTH - 1]}~{digest}"
