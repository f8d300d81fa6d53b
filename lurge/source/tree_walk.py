"""Walking a tree with several processes, unit by unit."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from lurge.errors import ScanError
from lurge.source.pool import MAX_PROCESSES, ProcessPool, Slot, Stop
from lurge.source.quote import quote_inside
from lurge.source.walk import PROBLEMS_KEPT, ScanOptions, UnitResult, WorkUnit, format_line

STOP_SECONDS = 1.0
"""Time for processes to end what they are walking, after a wish to stop."""


@dataclass(kw_only=True)
class Walked:
    """The counts of a walk so far. problems: text of the first few."""

    entries: int = 0
    vanished: int = 0
    unreadable: int = 0
    problems: list[str] = field(default_factory=list)


class TreeWalk:
    """A walk of a tree, once.

    top: its absolute path. first_line: the line of the top. root: the first unit. text_waiting: bytes of text that the
    caller cannot use yet. is_complete: False if the walk was stopped before its end.
    """

    def __init__(
        self,
        root: Path,
        *,
        cross: bool = False,
        blocks: bool = False,
        processes: int = MAX_PROCESSES,
        advanced: Callable[[int], None] = lambda entries: None,
        stop: Stop | None = None,
    ) -> None:
        """Start processes; the arguments are those of `scan_tree`. stop: ends the walk early.

        Raises ScanError if the root cannot be read.
        """
        self.top = b"/" + os.path.abspath(os.fsencode(root)).lstrip(b"/")
        try:
            status = os.stat(self.top)
            os.scandir(self.top).close()
        except OSError as error:
            raise ScanError(f"cannot scan {root}: {error.strerror}") from error
        self.first_line = format_line(quote_inside(self.top.rstrip(b"/") + b"/"), status, blocks)
        self.root = Slot(WorkUnit(self.top))
        self.walked = Walked(entries=1)
        self.text_waiting = 0
        self.is_complete = True
        self._advanced = advanced
        self._stop = stop
        self._pool = ProcessPool(ScanOptions(None if cross else status.st_dev, blocks), processes)

    def __enter__(self) -> TreeWalk:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End all processes."""
        self._pool.dismiss()

    @property
    def processes(self) -> int:
        """The number of processes that may walk at once."""
        return self._pool.used

    def units(self) -> Iterator[Slot]:
        """Each unit that is done, as soon as it is, with its pieces. Adds up `walked`, and calls `advanced`."""
        waiting = [self.root]
        while waiting or self._pool.working:
            if self._stop and self._stop.is_wanted:
                self.is_complete = False
                yield from self._remaining()
                return
            self._pool.give(waiting, self.text_waiting)
            for slot, result in self._pool.finished(self._stop):
                self._add(slot, result)
                waiting += [piece for piece in reversed(slot.pieces or ()) if isinstance(piece, Slot)]
                self._pool.give(waiting, self.text_waiting)
                yield slot
            self._advanced(self.walked.entries)

    def _remaining(self) -> Iterator[Slot]:
        """The units that end soon after a wish to stop."""
        deadline = time.monotonic() + STOP_SECONDS
        while self._pool.working and (seconds := deadline - time.monotonic()) > 0:
            for slot, result in self._pool.finished(None, seconds):
                self._add(slot, result)
                yield slot

    def _add(self, slot: Slot, result: UnitResult) -> None:
        slot.pieces = [Slot(piece) if isinstance(piece, WorkUnit) else piece for piece in result.pieces]
        self.text_waiting += sum(len(piece) for piece in result.pieces if isinstance(piece, bytes))
        self.walked.entries += result.entries
        self.walked.vanished += result.vanished
        self.walked.unreadable += result.unreadable
        self.walked.problems += result.problems[: PROBLEMS_KEPT - len(self.walked.problems)]

    def texts(self) -> Iterator[bytes]:
        """The lines of the tree, in any order."""
        yield self.first_line
        for slot in self.units():
            texts = [piece for piece in slot.pieces or () if isinstance(piece, bytes)]
            self.text_waiting, slot.pieces = 0, []
            yield from texts
