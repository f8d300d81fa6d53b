"""Memory of one process that others of its node read where it lies: text need not be copied to travel."""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lurge.fallbacks import fall_back

NAME = "lurge"

Text = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Place:
    """The place of shared memory: an open file of a process, and its size in bytes."""

    node: str
    process: int
    descriptor: int
    size: int


@cache
def this_node() -> str:
    """A text that is equal for processes that see each other by number: the boot of a machine, and a namespace.

    Raises OSError if the system does not tell.
    """
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {Path('/proc/self/ns/pid').readlink()}"


class SharedMemory:
    """Memory that `attach` finds; it is taken as it is used, and vanishes with the last process that uses it.

    text: uint8[size].
    """

    def __init__(self, size: int) -> None:
        """Raises OSError if the system has no such memory, AttributeError if Python was built without it."""
        node = this_node()
        descriptor = os.memfd_create(NAME)
        try:
            os.ftruncate(descriptor, size)
            self._mapping = mmap.mmap(descriptor, size)
            self.text: Text = np.frombuffer(self._mapping, np.uint8)
        except BaseException:
            os.close(descriptor)
            raise
        self.place = Place(node, os.getpid(), descriptor, size)
        self._start = address(self.text)

    def offset(self, text: Text) -> int | None:
        """The place of some text in this memory; None if it lies elsewhere."""
        offset = address(text) - self._start
        return offset if 0 <= offset < len(self.text) else None

    def empty(self) -> None:
        """Give its pages back to the system, because nobody needs the text any more; it then reads as zeros."""
        with suppress(AttributeError, OSError):
            self._mapping.madvise(mmap.MADV_REMOVE)

    def close(self) -> None:
        """Let nobody attach it any more; those that have it keep it."""
        os.close(self.place.descriptor)


def share(size: int) -> SharedMemory | None:
    """Memory to share; None if there is none, so that text must be copied."""
    try:
        return SharedMemory(size)
    except (OSError, AttributeError) as error:
        fall_back("memory of Linux that processes share by /proc", f"text travels in messages ({error})")
        return None


def attach(place: Place) -> Text | None:
    """The memory at a place; None if this process cannot see it, as on another node."""
    try:
        if place.node != this_node():
            return None
        path = Path(f"/proc/{place.process}/fd/{place.descriptor}")
        if not str(path.readlink()).startswith(f"/memfd:{NAME}"):
            return None
        descriptor = os.open(path, os.O_RDWR)
        try:
            return map_file(descriptor, place.size)
        finally:
            os.close(descriptor)
    except (OSError, ValueError):
        return None


def map_file(descriptor: int, size: int) -> Text:
    """A file as an array. Raises OSError, or ValueError if it is shorter."""
    return np.frombuffer(mmap.mmap(descriptor, size), np.uint8)


def address(text: Text) -> int:
    """The address of an array in this process."""
    start: int = text.__array_interface__["data"][0]
    return start
