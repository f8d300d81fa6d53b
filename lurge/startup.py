"""The first moments of a process: open standard streams, and names of files in UTF-8 whatever the locale."""

from __future__ import annotations

import os
import sys


def open_missing_streams() -> None:
    """Let standard streams that the caller closed lead to nothing.

    Otherwise the next file that is opened would get the number of one, and what is printed would end in that file.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(descriptor, True)
            setattr(sys, name, os.fdopen(descriptor, mode))


def use_utf8() -> None:
    """Start this process anew in Python's UTF-8 mode if the locale has another encoding.

    The names of dumps hold characters that other encodings lack, and the bytes of a name must not depend on who runs
    the job. What is printed keeps the locale's encoding; characters that it lacks become escapes.
    """
    if sys.getfilesystemencoding() == "utf-8" or os.environ.get("PYTHONUTF8") == "1" or not sys.executable:
        return
    environment = {"PYTHONIOENCODING": f"{sys.stdout.encoding}:backslashreplace", **os.environ, "PYTHONUTF8": "1"}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606 - this very program
