"""Aggregates: the things that one pass over a volume's records counts.

A pass is a list of aggregates. Each travels to every rank that works on a volume, makes a *tally* there, and turns the
merged tallies into a result. One that yields more than a process should hold opens a *sink* on the controller, which
has a *crew* for work that can be divided.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Generic, NamedTuple, Protocol, TypeVar

from lurge.aggregate.records import Records
from lurge.model.report import Counts
from lurge.model.rules import Rules

E = TypeVar("E")
R = TypeVar("R")


class Check(NamedTuple):
    """Two numbers that must be equal, each counted in its own way."""

    statement: str
    left: int
    right: int


class Tally(ABC, Generic[E]):
    """The counts of one aggregate in one process, for one volume."""

    @abstractmethod
    def add(self, records: Records) -> None:
        """Add some records, which change after the call."""

    @abstractmethod
    def export(self) -> E:
        """Everything counted so far, picklable; arrays may be views."""

    @abstractmethod
    def merge(self, export: E) -> None:
        """Add another process's export."""

    def take_portion(self) -> Any:
        """The portion of the sink for the lines of one message, None without a sink; the tally forgets it."""
        return None


class Part(Protocol):
    """A part of a job: small, picklable, done by any process."""

    def run(self, is_stopped: Callable[[], bool]) -> Any:
        """Do it; returns a picklable result. is_stopped: becomes true if the result is not wanted any more.

        Raises LurgeError.
        """


class Crew(Protocol):
    """Does parts for a sink, at most `size` at once."""

    size: int

    def begin(self, part: Part) -> int:
        """Begin a part soon; returns its number. Its arrays must not change afterwards."""

    def result(self, number: int) -> Any:
        """Wait for the result of a part, and forget it. Raises what the part raised."""


class Sink(ABC, Generic[E]):
    """The end of an aggregate's portions, on the controller of a volume. Every method raises VolumeError."""

    @property
    def is_full(self) -> bool:
        """True if portions should come before more lines are handed out."""
        return False

    @abstractmethod
    def add(self, first_line: int, lines: int, portion: Any) -> None:
        """Take the portion of some lines; portions come in any order."""

    @abstractmethod
    def finish(self, export: E, crew: Crew) -> E:
        """Finish after the last portion; returns what travels to the coordinator.

        export: the merged tallies. crew: those who have read the volume.
        """


class Aggregate(ABC, Generic[E, R]):
    """An aggregate: frozen, small, picklable."""

    name: str
    sees_vanished: ClassVar[bool] = False
    """True if records of entries that had vanished are added, too."""

    @abstractmethod
    def tally(self, rules: Rules) -> Tally[E]:
        """An empty tally."""

    @abstractmethod
    def result(self, export: E, rules: Rules) -> R:
        """The result, from the merged export."""

    def checks(self, result: R, counts: Counts) -> Iterable[Check]:
        """Pairs of numbers that are equal if the volume adds up."""
        return ()

    def open_sink(self) -> Sink[E] | None:
        """The end of portions; None where tallies are all. Raises VolumeError."""
        return None
