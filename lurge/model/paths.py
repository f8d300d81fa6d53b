"""Paths as people see them: text, aliases, and which directory holds which."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

BEFORE, AFTER = "(?:", r")(?=/|\Z)"
"""Around an expression, so that it ends where a component does."""


def shown(path: bytes) -> str:
    r"""`path` as UTF-8 text, each invalid byte as `\xHH`."""
    return path.decode("utf-8", errors="backslashreplace")


def without_trailing_slash(path: bytes) -> bytes:
    """`path` without slashes at its end; the root becomes empty, so that every path is below it by component."""
    return path.rstrip(b"/")


@dataclass(frozen=True)
class PathAliases:
    """Replacements for path beginnings, by component; the first pattern that matches is applied, once."""

    patterns: tuple[tuple[re.Pattern[str], str], ...] = ()

    @classmethod
    def compile(cls, aliases: Iterable[tuple[str, str]]) -> PathAliases:
        """Aliases from (regular expression, replacement) pairs.

        Raises re.error where an expression is none or a replacement names a group that it does not have.
        """
        patterns = []
        for expression, replacement in aliases:
            pattern = re.compile(f"{BEFORE}{expression}{AFTER}", re.DOTALL)
            re.compile("|" + pattern.pattern, re.DOTALL).sub(replacement, "")
            patterns.append((pattern, replacement))
        return cls(tuple(patterns))

    def pairs(self) -> list[tuple[str, str]]:
        """The (regular expression, replacement) pairs again."""
        return [
            (pattern.pattern.removeprefix(BEFORE).removesuffix(AFTER), replacement)
            for pattern, replacement in self.patterns
        ]

    def apply(self, path: bytes) -> bytes:
        """`path` under the name that people know it by."""
        text = path.decode("utf-8", "surrogateescape")
        for pattern, replacement in self.patterns:
            found = pattern.match(text)
            if found:
                return (found.expand(replacement) + text[found.end() :]).encode("utf-8", "surrogateescape")
        return path
