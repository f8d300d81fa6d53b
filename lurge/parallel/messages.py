"""The messages between ranks, each one frozen dataclass.

    coordinator -> controller   ReadVolume, LendWorker
    coordinator -> everyone     Stop
    controller  -> worker       Prepare, Blocks or SharedBlocks, HandOver, DoPart
    worker      -> controller   Ask, Portions, Tallies, WorkFailed, PartDone
    controller  -> coordinator  Progress, VolumeRead, VolumeFailed

The first message that a rank gets decides its role: a controller (ReadVolume), a worker (Prepare), or one that does
parts (parts.py). An assignment is
the number of a worker's part in one volume, unlike any before it in the whole job, so that a late message of one volume
is never taken for one of another. Messages of different senders may overtake each other: a worker ignores a Prepare
that is older than the one it has.
"""

from __future__ import annotations

import pickle
import socket
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from lurge.aggregate.interface import Aggregate
from lurge.aggregate.volume import VolumeExport
from lurge.errors import LurgeError, RankError, VolumeError
from lurge.model.dump import Dump
from lurge.model.paths import PathAliases
from lurge.model.rules import FileType, PseudoGroup, Rules
from lurge.parallel.shared import Place

Data = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Message:
    """One message. Between processes it travels as a pickle whose arrays are buffers of their own (PEP 574)."""

    def pack(self) -> list[memoryview]:
        """The message as buffers: the pickle, then the arrays, none of which is copied."""
        buffers: list[pickle.PickleBuffer] = []
        head = pickle.dumps(self, protocol=5, buffer_callback=buffers.append)
        return [memoryview(head), *(buffer.raw() for buffer in buffers)]

    @classmethod
    def unpack(cls, buffers: Sequence[Data]) -> Self:
        """The message of `pack`, whose arrays are views of the buffers; only from a rank of the same job.

        Raises TypeError for a message of another kind.
        """
        head, *arrays = buffers
        message = pickle.loads(head.data, buffers=arrays)  # noqa: S301 - both ends are ranks of one job
        if not isinstance(message, cls):
            raise TypeError(f"not a {cls.__name__}: {type(message).__name__}")
        return message


@dataclass(frozen=True)
class VolumeTask:
    """All that a controller must know to read one volume; it finds out the era of the dump itself."""

    dump: Dump
    base_directories: Path
    pseudo_groups: tuple[PseudoGroup, ...]
    filetypes: tuple[FileType, ...]
    deep_directories: tuple[str, ...]
    aliases: PathAliases
    block_records: int
    aggregates: tuple[Aggregate[Any, Any], ...]


@dataclass(frozen=True)
class ReadVolume(Message):
    """Read a volume with these workers; without any, with threads of your own."""

    number: int
    assignment: int
    task: VolumeTask
    workers: tuple[int, ...]


@dataclass(frozen=True)
class LendWorker(Message):
    """Take one more worker for a volume."""

    number: int
    assignment: int
    worker: int


@dataclass(frozen=True)
class Stop(Message):
    """The job is over."""

    exit_status: int


@dataclass(frozen=True)
class Prepare(Message):
    """Prepare for the blocks of a volume. memory: where text lies that is shared, if any is."""

    assignment: int
    rules: Rules
    aggregates: tuple[Aggregate[Any, Any], ...]
    memory: Place | None


@dataclass(frozen=True)
class Blocks(Message):
    """Lines to read, `lines` of them; text: uint8."""

    assignment: int
    first_line: int
    lines: int
    text: Data = field(repr=False)


@dataclass(frozen=True)
class SharedBlocks(Message):
    """Lines to read that lie in shared memory from `start` to `end`."""

    assignment: int
    first_line: int
    lines: int
    start: int
    end: int


@dataclass(frozen=True)
class HandOver(Message):
    """Send your tallies: all lines are handed out."""

    assignment: int


@dataclass(frozen=True)
class Ask(Message):
    """I can take blocks. sees_memory: whether I see the shared memory; has_read: the oldest blocks sent are read."""

    assignment: int
    sees_memory: bool
    has_read: bool


@dataclass(frozen=True)
class Portions(Message):
    """Portions of some lines for sinks, by the names of their aggregates."""

    assignment: int
    first_line: int
    lines: int
    portions: dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Tallies(Message):
    """The counts of a worker; seconds: by stage."""

    assignment: int
    export: VolumeExport
    seconds: dict[str, float]


@dataclass(frozen=True)
class WorkFailed(Message):
    """A worker's part in a volume failed."""

    assignment: int
    error: VolumeError


@dataclass(frozen=True)
class Progress(Message):
    """Number of compressed bytes and lines of a volume that were read."""

    number: int
    position: int
    lines: int


@dataclass(frozen=True)
class VolumeRead(Message):
    """Everything that was counted of a volume.

    lines: the number of lines in the dump, counted by the controller. failures: the reasons of sinks that failed, by
    the names of their aggregates; the export lacks these. seconds: by stage.
    """

    number: int
    lines: int
    rules: Rules
    export: VolumeExport
    failures: dict[str, VolumeError]
    seconds: dict[str, float]


@dataclass(frozen=True)
class VolumeFailed(Message):
    """A volume failed."""

    number: int
    error: VolumeError


def volume_error(error: Exception, who: str) -> VolumeError:
    """The error of a volume for an exception in this process: the exception itself, or its place and reason.

    who: the rank, in words.
    """
    if isinstance(error, VolumeError):
        return error
    reason = error.message if isinstance(error, LurgeError) else f"{type(error).__name__}: {error}"
    where = traceback.extract_tb(error.__traceback__)[-1:]
    place = f" ({Path(where[0].filename).name}:{where[0].lineno})" if where else ""
    return RankError(f"{who} on {socket.gethostname()}: {reason}{place}")
