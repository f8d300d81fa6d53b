"""Running a job from the command line: progress, then its outcome as text or JSON."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from lurge.cli.options import say, say_json
from lurge.cli.progress import watch
from lurge.pipeline.frame.outcome import Outcome

if TYPE_CHECKING:
    from lurge.parallel.coordinator import Watcher

log = logging.getLogger(__name__)

OutcomeT = TypeVar("OutcomeT", bound=Outcome)


def show_job(
    run: Callable[[Watcher], OutcomeT],
    json: bool,
    quiet: bool,
    lines: Callable[[OutcomeT], Iterable[str]] = lambda outcome: outcome.lines(),
    as_json: Callable[[OutcomeT], dict[str, Any]] = lambda outcome: outcome.as_json(),
) -> int:
    """Run a job with its progress, print its outcome, and return its exit status.

    lines, as_json: the outcome for people and for programs, if it takes more than the outcome itself. A quiet command
    only logs advice.
    """
    with watch(quiet) as watcher:
        outcome = run(watcher)
    if json:
        say_json(as_json(outcome))
    elif quiet:
        for advice in outcome.advice():
            log.warning("%s", advice)
    elif text := list(lines(outcome)):
        say(*text)
    return outcome.exit_status
