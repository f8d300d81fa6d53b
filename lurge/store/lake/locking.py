"""Locks of a lake: loads go on beside each other; cleaning waits until none does.

A load holds a shared lock of a file, which ends with its process. It concerns the processes of machines that see the
same directory with locks; Iceberg itself needs no lock.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from lurge.errors import LakeError, LockHeld
from lurge.store.lake.catalog import Lake

LOCK = "lake.lock"


@contextmanager
def _locked(lake: Lake, mode: int) -> Iterator[None]:
    if not lake.is_local:
        # Nothing is locked in S3: there, files are only old enough or not.
        yield
        return
    path = Path(lake.config.warehouse) / LOCK
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise LakeError(f"{path}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(descriptor, mode)
        except BlockingIOError as error:
            raise LockHeld(f"{path}: a load is running, or the lake is being cleaned") from error
        except OSError as error:
            raise LakeError(f"{path}: {error.strerror}") from error
        yield
    finally:
        os.close(descriptor)


def loading(lake: Lake) -> AbstractContextManager[None]:
    """Hold the lake for a load, beside other loads; waits while it is being cleaned."""
    return _locked(lake, fcntl.LOCK_SH)


def cleaning(lake: Lake) -> AbstractContextManager[None]:
    """Hold the lake alone. Raises LockHeld if a load is running."""
    return _locked(lake, fcntl.LOCK_EX | fcntl.LOCK_NB)
