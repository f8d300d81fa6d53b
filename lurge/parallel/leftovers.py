"""Shared memory of MPI jobs whose processes were killed: nobody else removes it, and it fills the machine's memory."""

from __future__ import annotations

import logging
import os
import re
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

FOLDER = Path("/dev/shm")  # noqa: S108 - where the system keeps it, not a temporary file
NAMES = re.compile(
    r"hydra_hwloc_xmlfile_\w+|mpich_shm_[0-9a-f]+_\d+|mpich_shar_tmp\w+|ucx_shm_posix_[0-9a-f]+|vader_segment\.[\w.-]+|psm2_shm\.\w+"
)
"""Names that MPICH, UCX, Open MPI and Intel's PSM2 give to what the processes of one machine share, and to a file that
MPICH's launcher writes for them."""

FRESH_SECONDS = 60

log = logging.getLogger(__name__)


def remove_all_leftovers() -> None:
    """Remove the leftovers of killed jobs in every folder that may hold some."""
    for folder in (FOLDER, Path(tempfile.gettempdir())):
        remove_leftovers(folder)


def remove_leftovers(folder: Path) -> list[Path]:
    """Remove this user's shared memory of MPI that no process uses any more; returns the removed files.

    Files younger than FRESH_SECONDS stay, because a process may be about to use them.
    """
    leftovers = candidates(folder)
    used = files_in_use(folder) if leftovers else set()
    removed = []
    for path in leftovers:
        if str(path) in used:
            continue
        with suppress(OSError):
            path.unlink()
            removed.append(path)
    if removed:
        log.info("removed %d files of MPI that killed processes left in %s", len(removed), folder)
    return removed


def candidates(folder: Path) -> list[Path]:
    """This user's files that are not fresh, and whose names are those of shared memory of MPI."""
    old_files = []
    with suppress(OSError):
        for path in folder.iterdir():
            if NAMES.fullmatch(path.name):
                with suppress(OSError):
                    status = path.lstat()
                    old = time.time() - status.st_mtime > FRESH_SECONDS
                    if old and stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid():
                        old_files.append(path)
    return old_files


def files_in_use(folder: Path) -> set[str]:
    """The paths below a folder that any process has mapped or open, as far as this user may see."""
    prefix = f"{folder}/"
    used = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            for line in (process / "maps").read_text(errors="replace").split("\n"):
                if (start := line.find(prefix)) >= 0:
                    used.add(line[start:])
        with suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                with suppress(OSError):
                    used.add(str(descriptor.readlink()))
    return used
