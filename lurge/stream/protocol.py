"""What ranks say to each other.

    coordinator -> controller   VOLUME  (volume, assignment; job, workers)
                                                                 read this volume with these workers, or, without any,
                                                                 with threads of your own
                                LEND    (volume, assignment, worker)
                                                                 one more worker for it
    coordinator -> everyone     STOP    (exit status)            the job is over
    controller  -> worker       RULES   (assignment; rules, place of shared memory or None)
                                                                 prepare for the blocks of a volume
                                BLOCKS  (assignment, first line, lines; text) or
                                        (assignment, first line, lines, start, end)
                                                                 of the text in shared memory
                                DONE    (assignment)             hand over what you have
    worker      -> controller   ASK     (assignment, shares, read)
                                                                 I can take blocks; whether I see the shared memory;
                                                                 whether I have read the oldest that you sent
                                PORTION (assignment, first line, lines; arrays)
                                                                 the records of some blocks by group, if it splits
                                REPORT  (assignment, microseconds read, waited; arrays)
                                FAILED  (assignment; problem)
    controller  -> coordinator  PROGRESS (volume, bytes, lines)
                                REPORT  (volume, lines; arrays, among them the rules, what was split, and
                                         seconds by stage)
                                FAILED  (volume; problem)

The first message that a rank gets decides what it is: a controller (VOLUME) or a worker (RULES). An assignment is the
number of what a worker was given to do, unlike any before it in the whole job, so that what is late for one volume is
never taken for another. Messages of different senders may overtake each other: a worker ignores rules that are older
than those it has.
"""

from __future__ import annotations

import math
import pickle
import socket
import traceback
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lurge.errors import LurgeError, RankError, VolumeError
from lurge.model.dump import Dump
from lurge.model.paths import PathAliases
from lurge.model.rules import FileType, PseudoGroup

Arrays = dict[str, npt.NDArray[Any]]
Data = npt.NDArray[np.uint8]

EMPTY: Data = np.zeros(0, np.uint8)


class Tag(IntEnum):
    """The kinds of messages."""

    VOLUME = 1
    LEND = 2
    STOP = 3
    RULES = 4
    BLOCKS = 5
    DONE = 6
    ASK = 7
    REPORT = 8
    FAILED = 9
    PROGRESS = 10
    PORTION = 11


class Message(NamedTuple):
    """One message: who sent it, its kind, up to NUMBERS whole numbers, and bytes."""

    source: int
    tag: Tag
    numbers: tuple[int, ...]
    data: Data


NUMBERS = 5


@dataclass(frozen=True)
class Job:
    """All that a controller must know to read one volume; the era of the dump it finds out itself.

    split_into: where to put the lines of each group, None where they are not wanted.
    """

    dump: Dump
    base_directories: Path
    pseudo_groups: tuple[PseudoGroup, ...]
    filetypes: tuple[FileType, ...]
    deep_directories: tuple[str, ...]
    aliases: PathAliases
    block_records: int
    split_into: Path | None = None


@dataclass(frozen=True)
class Problem:
    """Why a volume failed, as it travels: the error where it is an expected one, else where and what happened."""

    error: VolumeError

    @classmethod
    def of(cls, error: Exception, who: str) -> Problem:
        """The problem that an exception in this process means for its volume. who: the rank, in words."""
        if isinstance(error, VolumeError):
            return cls(error)
        reason = error.message if isinstance(error, LurgeError) else f"{type(error).__name__}: {error}"
        where = traceback.extract_tb(error.__traceback__)[-1:]
        place = f" ({Path(where[0].filename).name}:{where[0].lineno})" if where else ""
        return cls(RankError(f"{who} on {socket.gethostname()}: {reason}{place}"))


@dataclass(frozen=True)
class Arrived:
    """A controller's report of one volume as the coordinator keeps it; lines: how many the dump has."""

    lines: int
    arrays: Arrays = field(repr=False)
    seconds: float


def pack_object(value: object) -> Data:
    """A small object (a job, rules, a problem) as bytes."""
    return np.frombuffer(pickle.dumps(value), np.uint8)


def unpack_object(data: Data) -> Any:
    """The object of `pack_object`; only from a rank of the same job."""
    return pickle.loads(data.data)  # noqa: S301 - both ends are ranks of one job


def pack_arrays(arrays: Arrays) -> Data:
    """Named arrays as one buffer: the length of a list of names, types and shapes, that list, and array after array."""
    forms = pack_object([(name, array.dtype.str, array.shape) for name, array in arrays.items()])
    ends = np.cumsum([8, padded(len(forms)), *(padded(array.nbytes) for array in arrays.values())])
    data = np.empty(int(ends[-1]), np.uint8)
    data[:8].view(np.int64)[0] = len(forms)
    data[8 : 8 + len(forms)] = forms
    for start, array in zip(ends[1:].tolist(), arrays.values(), strict=False):
        data[start : start + array.nbytes].view(array.dtype).reshape(array.shape)[...] = array
    return data


def unpack_arrays(data: Data) -> Arrays:
    """The arrays of `pack_arrays`, as views of `data`."""
    arrays = {}
    length = int(data[:8].view(np.int64)[0])
    start = 8 + padded(length)
    for name, kind, shape in unpack_object(data[8 : 8 + length]):
        size = np.dtype(kind).itemsize * math.prod(shape)
        arrays[name] = data[start : start + size].view(kind).reshape(shape)
        start += padded(size)
    return arrays


def padded(size: int) -> int:
    """The next multiple of eight, so that every array begins where its numbers may lie."""
    return -(-size // 8) * 8
