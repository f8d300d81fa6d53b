"""The beginning and the end of ranks: all of them, in time, and none without the others.

The only module that imports mpi4py. It imports nothing that may be missing on a node, because what fails before MPI
has started leaves the other ranks waiting: only the time limit ends those.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lurge.display import display_error

RANK_VARIABLES = ("PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK", "MPI_LOCALRANKID")
SIZE_VARIABLES = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MPI_LOCALNRANKS", "SLURM_STEP_NUM_TASKS")
"""What MPICH, Open MPI, Intel MPI and srun tell the processes that they start."""

START_VARIABLE = "LURGE_START_SECONDS"
START_SECONDS = 300
"""Time for all ranks to start, unless $LURGE_START_SECONDS says otherwise."""

END_SECONDS = 10
"""Time to clean up after a signal; then the kernel ends the process, whatever it is doing."""

SECONDS_TO_FORWARD = 0.3
"""Time for the launcher to pass on the last words of a rank: once it ends all ranks, it may forget them."""

SECONDS_BETWEEN_LOOKS = 1.0
SIGNALS = tuple(
    number
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    if signal.getsignal(number) is not signal.SIG_IGN
)
"""Without those that nohup, or a shell for a job in the background, lets this process ignore."""

JOBS = (("report",), ("backfill",), ("split",), ("lake", "load"))
"""The commands that run on several ranks; any other under mpiexec is one for itself."""


class Interrupted(SystemExit):
    """A signal ends this process, by way of everything that cleans up."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self._name = signal.Signals(number).name

    def __str__(self) -> str:
        return f"interrupted by {self._name}"


class World:
    """This process's part of MPI: not started, started, or finished together with all other ranks."""

    def __init__(self) -> None:
        self.mpi: Any = None
        self.in_time: Callable[[], None] = lambda: None
        self.finished = False

    @property
    def size(self) -> int:
        """Number of ranks; 0 where MPI has not started."""
        return int(self.mpi.COMM_WORLD.Get_size()) if self.mpi else 0


WORLD = World()


def started_ranks() -> int:
    """Number of ranks that an mpiexec says it started; 1 if it does not say, 0 without one."""
    if not any(name in os.environ for name in RANK_VARIABLES):
        return 0
    sizes = [os.environ.get(name, "") for name in SIZE_VARIABLES]
    return max((int(size) for size in sizes if size.isdigit()), default=1)


def own_rank() -> int:
    """This process's rank; 0 where MPI has not started."""
    return int(WORLD.mpi.COMM_WORLD.Get_rank()) if WORLD.mpi else 0


def start_seconds() -> int:
    """The time limit for all ranks to start; ends the process with status 2 if it is not a number."""
    text = os.environ.get(START_VARIABLE, str(START_SECONDS))
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 7 and int(text)):
        sys.stderr.write(f"lurge: ${START_VARIABLE} must be a whole number of seconds, at least 1\n")
        sys.exit(2)
    return int(text)


def start_mpi() -> Any:
    """The module of mpi4py, with MPI started. Raises ImportError or RuntimeError where mpi4py cannot be used.

    From here to `report_in` there is a time limit: ranks that wait for others wait inside MPI, where nothing but the
    end of the process reaches them.
    """
    if WORLD.mpi:
        return WORLD.mpi
    limit = start_seconds()
    # Inside MPI no handler of Python's runs: a signal ends the process at once.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    late = f"{socket.gethostname()}: not all ranks started within {limit} s (${START_VARIABLE})"
    WORLD.in_time = end_unless_told(limit, late)
    try:
        from mpi4py import MPI

        WORLD.mpi = MPI
    finally:
        if not WORLD.mpi:
            WORLD.in_time()
        handle_signals()
    if WORLD.size > 1:
        threading.Thread(target=watch_launcher, args=(os.getppid(),), daemon=True, name="launcher").start()
    return MPI


def report_in() -> None:
    """Wait until every rank is ready to work, with all that it imports; here the time limit ends."""
    everyone_is_here = WORLD.mpi.COMM_WORLD.Ibarrier()
    while not everyone_is_here.Test():
        time.sleep(0.001)
    WORLD.in_time()


def end_unless_told(seconds: int, message: str) -> Callable[[], None]:
    """Kill this process with a message after some seconds, or when its launcher dies; returns how to prevent that.

    A process of its own does it: while a rank waits inside MPI, none of its threads runs.
    """
    parent, launcher = os.getpid(), os.getppid()
    waits, tells = os.pipe()
    watcher = os.fork()
    if watcher == 0:
        try:
            os.close(tells)
            watch_start(waits, parent, launcher, seconds, message)
        finally:
            os._exit(0)
    os.close(waits)

    def tell() -> None:
        os.close(tells)
        # Where children that end are not waited for, there is none to wait for.
        with suppress(ChildProcessError):
            os.waitpid(watcher, 0)

    return tell


def watch_start(waits: int, parent: int, launcher: int, seconds: int, message: str) -> None:
    """Kill the parent unless it closes the other end of a pipe in time, or ends."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and parent_of(parent) == launcher:
        told, _, _ = select.select([waits], [], [], min(SECONDS_BETWEEN_LOOKS, max(ends - time.monotonic(), 0)))
        if told:
            return
    if os.getppid() == parent:
        with suppress(OSError):
            # Who should read it may be gone.
            os.write(2, f"lurge: {message}\n".encode(errors="replace"))
        os.kill(parent, signal.SIGKILL)


def parent_of(process: int) -> int:
    """The parent of a process, by /proc/PID/stat, proc(5); 0 if that is not known."""
    try:
        return int(Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def watch_launcher(launcher: int) -> None:
    """End this rank when the process that started it has gone: then nobody ends the others when one fails."""
    while os.getppid() == launcher:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    with suppress(OSError):
        # The launcher was at the other end.
        os.write(2, b"lurge: the launcher of this rank has died\n")
    if own_rank():
        os._exit(1)
    os.kill(os.getpid(), signal.SIGTERM)


def handle_signals() -> None:
    """Let signals end this process by way of everything that cleans up."""
    for number in SIGNALS:
        signal.signal(number, terminate)


def terminate(number: int, _: object) -> None:
    """Leave by way of everything that cleans up; what takes longer than END_SECONDS is not waited for.

    Of several ranks only the coordinator has something to clean up; its end is that of the others.
    """
    for other in SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(END_SECONDS)
    if own_rank():
        return
    raise Interrupted(number)


def finished() -> None:
    """Say that every rank has done its work: from now on each ends on its own."""
    WORLD.finished = True
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)


def show_exceptions() -> None:
    """Let no exception that nobody expects show a name as it is."""

    def show(error: BaseException | None) -> None:
        if error is not None:
            with suppress(OSError, ValueError):
                sys.stderr.write(display_error(error) + "\n")

    sys.excepthook = lambda _, error, __: show(error)
    threading.excepthook = lambda found: show(found.exc_value)
    sys.unraisablehook = lambda found: show(found.exc_value)


@contextmanager
def together() -> Iterator[None]:
    """Run a command that may be one of several ranks: an unexpected end of it ends every rank.

    The others would wait for this one for ever.
    """
    handle_signals()
    show_exceptions()
    try:
        if started_ranks() > 1 and any(tuple(sys.argv[1 : 1 + len(job)]) == job for job in JOBS):
            # A command that needs MPI tries again, and says why it cannot have it.
            with suppress(ImportError, RuntimeError):
                start_mpi()
        yield
    except BaseException as error:
        status = error.code if isinstance(error, SystemExit) else 1
        if WORLD.size > 1 and not WORLD.finished and status not in (None, 0):
            with suppress(OSError, ValueError):
                if not isinstance(error, SystemExit):
                    sys.stderr.write(display_error(error) + "\n")
                sys.stderr.flush()
            number = status if isinstance(status, int) else 1
            if isinstance(error, Interrupted):
                # All is said. MPI would add that somebody aborted.
                os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            else:
                time.sleep(SECONDS_TO_FORWARD)
            WORLD.mpi.COMM_WORLD.Abort(number)
            # The launcher ends this process, too, but sometimes later.
            os._exit(number)
        raise
