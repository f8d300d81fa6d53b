"""`lurge look`: from nothing to an answer about one tree."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lurge.cli.options import JsonOption, QuietOption, say, say_json, set_verbosity
from lurge.cli.scan import PROBLEMS_SHOWN, show_entries
from lurge.cli.table import rows_aligned
from lurge.cli.tree import Dimension, measures_json, named, row_of, tree_json, tree_lines
from lurge.display import counted
from lurge.model.tree import SIZE_NAMES

if TYPE_CHECKING:
    from lurge.pipeline.look import Look

ROWS = 10
SMALL = SIZE_NAMES[:3]
"""The size classes of small files: at most 64 KiB."""


def look(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The tree to look at.")] = Path(),
    save: Annotated[
        Path | None, typer.Option("--save", metavar="DIR", help="Keep the index in this directory, for lurge.tree.")
    ] = None,
    cross: Annotated[bool, typer.Option("--cross", help="Also walk file systems that are mounted below.")] = False,
    top: Annotated[int, typer.Option("--top", metavar="N", min=1, help="At most N rows of each kind.")] = ROWS,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show any tree: its content, owners, types and ages.

    This needs no configuration, database or special permission. The tree is scanned, and an index of every directory
    is built in a temporary directory.

    Example: lurge look /home --top 5
    """
    set_verbosity(quiet, False)
    from lurge.pipeline.look import look_at
    from lurge.store.tree.usage import Filter

    with (
        show_entries(path, quiet) as advanced,
        look_at(path, save, cross=cross, advanced=advanced, compiled=lambda kernels, total: None) as seen,
    ):
        if json:
            filters: dict[str, Any] = {"groups": [], "users": [], "filetypes": [], "older_than": None, "by": "mtime"}
            say_json(tree_json(seen.index, seen.index.top, Filter(), filters, None, 1, None))
        else:
            say(*look_lines(seen, top))


def look_lines(seen: Look, top: int) -> Iterator[str]:
    """The answer for people."""
    from lurge.store.tree.usage import Filter

    index, everything = seen.index, Filter()
    whole = index.top.measures
    yield from tree_lines(index, index.top, everything, None, 1, top)
    for by, head in (
        (Dimension.GROUP, "Groups"), (Dimension.USER, "People"), (Dimension.FILETYPE, "Types"), (Dimension.AGE, "Ages"),
    ):  # fmt: skip
        yield head
        rows = index.by(index.top, everything, by.value)
        rows = rows if by is Dimension.AGE else rows[:top]
        names = [named(index, by, value).get("name", str(value)) for value, _ in rows]
        lines = [row_of(name, sums, whole.bytes or 0, 0) for name, (_, sums) in zip(names, rows, strict=True)]
        yield from rows_aligned(lines, 1)
    small = sum(sums.files for name, sums in index.by(index.top, everything, "size") if name in SMALL)
    yield f"{small:,} of {whole.files:,} files have at most 64 KiB"
    if whole.oldest_mtime is not None:
        yield f"oldest {measures_json(whole)['oldest_mtime']}, newest {measures_json(whole)['newest_mtime']}"
    if seen.scan.unreadable:
        yield f"{counted(seen.scan.unreadable, 'entry', 'entries')} could not be read"
        yield from (f"  {problem}" for problem in seen.scan.problems[:PROBLEMS_SHOWN])
