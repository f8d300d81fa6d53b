"""Paths as people see them: conversion to text, and aliases."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

BEFORE, AFTER = "(?:", r")(?=/|\Z)"
"""Parts around an expression, so that a match ends at the end of a component."""


def shown(path: bytes) -> str:
    r"""`path` as UTF-8 text, each invalid byte as `\xHH`."""
    return path.decode("utf-8", errors="backslashreplace")


def without_trailing_slash(path: bytes) -> bytes:
    """`path` without trailing slashes. The root becomes empty: every absolute path begins with it and a slash."""
    return path.rstrip(b"/")


@dataclass(frozen=True)
class PathAliases:
    """Replacements for the beginnings of paths, by component. The first pattern that matches is applied, once."""

    patterns: tuple[tuple[re.Pattern[str], str], ...] = ()

    @classmethod
    def compile(cls, aliases: Iterable[tuple[str, str]]) -> PathAliases:
        """Compile (regular expression, replacement) pairs.

        Raises re.error for an invalid regular expression, and for a replacement that refers to a group which its
        expression does not have.
        """
        patterns = []
        for expression, replacement in aliases:
            pattern = re.compile(f"{BEFORE}{expression}{AFTER}", re.DOTALL)
            re.compile("|" + pattern.pattern, re.DOTALL).sub(replacement, "")
            patterns.append((pattern, replacement))
        return cls(tuple(patterns))

    def pairs(self) -> list[tuple[str, str]]:
        """The (regular expression, replacement) pairs, as given to `compile`."""
        return [
            (pattern.pattern.removeprefix(BEFORE).removesuffix(AFTER), replacement)
            for pattern, replacement in self.patterns
        ]

    def apply(self, path: bytes) -> bytes:
        """`path` under the name that people know, with the first matching alias applied."""
        text = path.decode("utf-8", "surrogateescape")
        for pattern, replacement in self.patterns:
            match = pattern.match(text)
            if match:
                return (match.expand(replacement) + text[match.end() :]).encode("utf-8", "surrogateescape")
        return path
