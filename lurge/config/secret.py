"""Passwords, which never appear in text by accident."""

from __future__ import annotations

from typing import Annotated

from pydantic import InstanceOf, PlainSerializer
from pydantic.json_schema import SkipJsonSchema

HIDDEN = "(hidden)"


class Secret:
    """A password. Only `reveal` returns it; its representation is hidden."""

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret"


Password = Annotated[
    SkipJsonSchema[InstanceOf[Secret] | None],
    PlainSerializer(lambda secret: secret and HIDDEN, return_type=str | None),
]
"""The type of a field for a password, which never comes from lurge.toml."""
