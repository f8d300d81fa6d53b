"""Walking in plain Python, whose calls of the system a test can replace."""

from __future__ import annotations

import errno

import pytest

from lurge.kernels.walk_lines import PROBLEM, UNREADABLE, Lines
from lurge.source import compiled_walk


def take_statx_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the kernel meet a system without statx(2)."""

    def walk_lines(*arguments: object) -> int:
        lines = Lines(*arguments[4:])  # type: ignore[arg-type]
        lines.state[PROBLEM] = errno.ENOSYS
        return int(UNREADABLE)

    monkeypatch.setattr(compiled_walk, "walk_lines", walk_lines)
