"""Which process works on a ticket, told so exactly that another one with its number is not taken for it (Linux)."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

START_FIELD = 19
"""Of /proc/PID/stat, counted after the name in brackets: when the process began, in ticks since boot (proc(5))."""


def this_process() -> dict[str, Any]:
    """Host, process and when it began, as a ticket's context holds them."""
    return {"host": socket.gethostname(), "pid": os.getpid(), "began": began(os.getpid())}


def began(pid: int) -> str | None:
    """The boot and the ticks since then at which a process of this host began; None where there is no such process."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else f"{boot} {fields[START_FIELD]}"


def is_gone(process: Mapping[str, Any]) -> bool:
    """Whether a process of this host has ended; False for those of other hosts, which cannot be seen from here."""
    if process.get("host") != socket.gethostname() or not isinstance(process.get("pid"), int):
        return False
    return began(process["pid"]) != process.get("began")
