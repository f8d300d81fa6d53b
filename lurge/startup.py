"""Preparation of a process: open standard streams, and UTF-8 for names of files in every locale."""

from __future__ import annotations

import os
import sys


def open_closed_streams() -> None:
    """Open standard input, output and error on /dev/null if they are closed.

    Otherwise the next file that is opened gets the number of a closed stream, and everything that libraries write to
    standard error, for example, goes into that file.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The new descriptor gets the lowest free number, which is this one. mpiexec must inherit it.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def use_utf8() -> None:
    """Restart this process in Python's UTF-8 mode if the locale has another encoding.

    The names of dumps contain characters that other encodings lack, and the bytes of a name must not depend on the
    user's locale. Output keeps the encoding of the locale; characters that it lacks become escapes.
    """
    if sys.getfilesystemencoding() == "utf-8" or os.environ.get("PYTHONUTF8") == "1" or not sys.executable:
        return
    environment = {"PYTHONIOENCODING": f"{sys.stdout.encoding}:backslashreplace", **os.environ, "PYTHONUTF8": "1"}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606 - this same program
