"""A terminal for tests: runs a command on it, and tells what stands on its screen at the end."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import sys
import termios

CONTROL = re.compile(r"\x1b\[(\d*)([A-Za-z])|\x1b\[\?\d+[hl]|\x1b\[[\d;]*m|(\r)|(\n)|([^\x1b\r\n]+)")


def on_a_terminal(*arguments: str, columns: int = 80, module: str = "lurge") -> str:
    """All that a command writes to a terminal. Fails unless the command succeeds."""
    child, terminal = pty.fork()
    if child == 0:
        for name in ("COLUMNS", "LINES"):
            os.environ.pop(name, None)
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        os.execv(sys.executable, [sys.executable, "-m", module, *arguments])
    shown = b""
    try:
        while part := os.read(terminal, 65536):
            shown += part
    except OSError:  # the other end is closed
        pass
    assert os.waitpid(child, 0)[1] == 0, shown
    return shown.decode()


def screen(shown: str) -> list[str]:
    """The lines on a screen without an edge, after what was written moved its cursor about."""
    lines, row, column = [""], 0, 0
    for part in CONTROL.finditer(shown):
        count, letter, returned, fed, text = part.groups()
        if letter == "A":
            row -= int(count or 1)
        elif letter == "K":
            lines[row] = "" if count == "2" else lines[row][:column]
        elif returned:
            column = 0
        elif fed:
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif text:
            before = lines[row].ljust(column)
            lines[row] = before[:column] + text + before[column + len(text) :]
            column += len(text)
    return lines
