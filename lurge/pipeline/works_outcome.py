"""Outcomes of counting works: of trees, and of backlogs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lurge.display import counted, display
from lurge.errors import LurgeError
from lurge.pipeline.frame.outcome import Outcome

KEPT = 100
"""Problems and rejected lines that an outcome names."""


@dataclass
class TreeOutcome:
    """The outcome of one tree, or of one backlog."""

    name: str
    state: str | None = None
    works: int = 0
    images: int = 0
    problems: list[str] = field(default_factory=list)
    problem_count: int = 0
    is_known: bool = False
    failed: LurgeError | None = None

    def as_json(self) -> dict[str, Any]:
        """The fields, for other programs."""
        return {
            "name": self.name,
            "state": self.state,
            "works": self.works,
            "images": self.images,
            "problems": self.problems,
            "problem_count": self.problem_count,
            "known": self.is_known,
            "error": self.failed.message if self.failed else None,
        }


@dataclass
class WorksOutcome(Outcome):
    """The outcome of gathering or loading."""

    trees: list[TreeOutcome] = field(default_factory=list)

    @property
    def exit_status(self) -> int:
        """0 if everything is stored; 3 if a part is not; 1 if nothing is."""
        failed = [tree for tree in self.trees if tree.failed]
        if self.trees and len(failed) == len(self.trees):
            return 1
        return 3 if failed or any(tree.problem_count for tree in self.trees) else 0

    def as_json(self) -> dict[str, Any]:
        return {"trees": [tree.as_json() for tree in self.trees], "exit_status": self.exit_status}

    def lines(self) -> Iterator[str]:
        for tree in self.trees:
            state = f" ({tree.state})" if tree.state else ""
            if tree.failed:
                yield f"{display(tree.name)}{state}: {display(tree.failed.message)}"
                yield f"  -> {display(tree.failed.advice)}"
                continue
            known = ", loaded before" if tree.is_known else ""
            yield f"{display(tree.name)}{state}: {counted(tree.works, 'work')}, {counted(tree.images, 'image')}{known}"
            yield from (f"  {display(problem)}" for problem in tree.problems)
            if tree.problem_count > len(tree.problems):
                yield f"  and {tree.problem_count - len(tree.problems):,} more"
