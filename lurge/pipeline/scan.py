"""Scanning one tree into a dump, with a ticket if they are kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lurge.aggregate.warm import WALK, compile_kernels
from lurge.pipeline.frame.job import open_job
from lurge.pipeline.frame.recipe import Recipe
from lurge.pipeline.frame.ticket import tool_ticket
from lurge.source.scan import ScanResult, scan_tree

SCAN = Recipe("scan", ("walk",))


def run_scan(
    path: Path, output: Path, *, cross: bool, blocks: bool, processes: int, advanced: Callable[[int], None]
) -> ScanResult:
    """Scan a tree; the arguments are those of `scan_tree`. Raises ScanError, OutputError."""
    with open_job(SCAN, tool_ticket(SCAN, str(path))) as job:
        job.state = lambda: f"No dump of {path} was published: run the same command again"
        compile_kernels([WALK], lambda kernels, total: None)
        with job.step("walk") as facts:
            result = scan_tree(path, output, cross=cross, blocks=blocks, processes=processes, advanced=advanced)
            facts.update(entries=result.entries, dump=str(result.dump))
    return result
