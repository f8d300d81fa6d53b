"""The process that works on a ticket. A later process with the same number is told apart (Linux)."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

START_FIELD = 19
"""The field of /proc/PID/stat (proc(5)) with the start time in ticks since boot, counted after the name in brackets."""


def this_process() -> dict[str, Any]:
    """Host, number and start time of this process, as a ticket's context holds them."""
    return {"host": socket.gethostname(), "pid": os.getpid(), "began": began(os.getpid())}


def began(pid: int) -> str | None:
    """The boot, and the ticks from it to the start of a process of this host; None if there is no such process."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else f"{boot} {fields[START_FIELD]}"


def is_gone(process: Mapping[str, Any]) -> bool:
    """True if a process of this host has ended. False for those of other hosts, which cannot be seen."""
    if process.get("host") != socket.gethostname() or not isinstance(process.get("pid"), int):
        return False
    return began(process["pid"]) != process.get("began")
