"""The first moments of a process: open standard streams, and names of files in UTF-8 whatever the locale."""

from __future__ import annotations

import os
import sys


def open_closed_streams() -> None:
    """Open those of standard input, output and error that are closed, on /dev/null.

    Otherwise the next file that is opened takes such a place, and gets what libraries write to standard error.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free, so this one; mpiexec needs it, too.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def use_utf8() -> None:
    """Start this process anew in Python's UTF-8 mode if the locale has another encoding.

    The names of dumps hold characters that other encodings lack, and the bytes of a name must not depend on who runs
    the job. What is printed keeps the locale's encoding; characters that it lacks become escapes.
    """
    if sys.getfilesystemencoding() == "utf-8" or os.environ.get("PYTHONUTF8") == "1" or not sys.executable:
        return
    environment = {"PYTHONIOENCODING": f"{sys.stdout.encoding}:backslashreplace", **os.environ, "PYTHONUTF8": "1"}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606 - this very program
