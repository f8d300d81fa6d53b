"""Real servers for tests, started privately; and stand-ins for what cannot be had."""

from __future__ import annotations

import os
import socket

import pytest


def need(missing: str | None) -> None:
    """Skip a test, saying why, where something is missing; in CI nothing may be."""
    if missing and os.environ.get("CI"):
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)


def free_port() -> int:
    """A TCP port of this host that nothing listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
