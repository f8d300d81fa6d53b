"""`lurge look`: from nothing to an answer about one tree."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lurge.cli.look_web import folder_of_indexes, show_pages
from lurge.cli.options import JsonOption, QuietOption, say, say_json, set_verbosity
from lurge.cli.scan import PROBLEMS_SHOWN, show_entries
from lurge.cli.table import rows_aligned
from lurge.cli.tree import row_of, tree_lines
from lurge.cli.tree_json import Dimension, named, time_text, tree_json
from lurge.display import counted
from lurge.model.paths import shown
from lurge.model.sizes import human_size

if TYPE_CHECKING:
    from lurge.model.files import File
    from lurge.pipeline.look import Look

ROWS = 10
INTERRUPTED = 130

log = logging.getLogger(__name__)


def look(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The tree to look at.")] = Path(),
    save: Annotated[
        Path | None, typer.Option("--save", metavar="DIR", help="Keep the index in this directory, for lurge.tree.")
    ] = None,
    web: Annotated[bool, typer.Option("--web", help="Also open it in a browser, until Ctrl-C.")] = False,
    cross: Annotated[bool, typer.Option("--cross", help="Also walk file systems that are mounted below.")] = False,
    top: Annotated[int, typer.Option("--top", metavar="N", min=1, help="At most N rows of each kind.")] = ROWS,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show any tree: its content, owners, types and ages.

    The largest, oldest and small files are shown, too. This needs no configuration, database or special permission. The
    tree is walked, and an index of every directory is built in a temporary directory. An interrupt (Ctrl-C) ends the
    walk: the answer is about what was found so far, and says so. The next interrupt ends the command.

    Example: lurge look /home --top 5
    """
    set_verbosity(quiet, False)
    from lurge.pipeline.look import look_at

    with ExitStack() as until_shown:
        kept = until_shown.enter_context(folder_of_indexes(save)) if web else save
        with show_entries(path, quiet) as advanced:

            def stopped() -> None:
                advanced.clear()
                log.warning("interrupted: the answer follows; interrupt again to end without one")

            looking = look_at(path, kept, cross=cross, top=top, advanced=advanced, stopped=stopped)
            seen = until_shown.enter_context(looking)
        if json:
            say_json(look_json(seen))
        else:
            say(*look_lines(seen, top, save))
        if kept and web and seen.is_complete:
            show_pages(kept, seen.index.volume)
    if not seen.is_complete:
        raise typer.Exit(INTERRUPTED)


def look_json(seen: Look) -> dict[str, Any]:
    """The answer for programs: that of `lurge tree`, and more."""
    from lurge.store.tree.usage import Filter

    filters: dict[str, Any] = {
        "groups": [], "users": [], "filetypes": [], "older_than": None, "by": "mtime", "ownerless": False,
        "small": False,
    }  # fmt: skip
    extremes, problems = seen.extremes, [problem.rpartition(": ") for problem in seen.walked.problems]
    return {
        "complete": seen.is_complete,
        **tree_json(seen.index, seen.index.top, Filter(), filters, None, 1, None),
        "largest": files_json(extremes.largest),
        "oldest": files_json(extremes.oldest),
        "small": {"files": extremes.small_files, "bytes": extremes.small_bytes},
        "unreadable": [{"path": place, "error": error} for place, _, error in problems],
        "unreadable_entries": seen.walked.unreadable,
    }


def files_json(files: list[File]) -> list[dict[str, Any]]:
    return [{"path": shown(file.path), "bytes": file.bytes, "mtime": time_text(file.mtime)} for file in files]


def look_lines(seen: Look, top: int, save: Path | None) -> Iterator[str]:
    """The answer for people."""
    from lurge.store.tree.usage import Filter

    index, everything, extremes = seen.index, Filter(), seen.extremes
    whole = index.top.measures
    if not seen.is_complete:
        found = counted(seen.walked.entries, "entry", "entries")
        yield f"INCOMPLETE: interrupted after {found}; all figures lack the rest"
        if save:
            yield f"The index was not saved in {save}"
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
    for head, files in (("Largest files", extremes.largest), ("Oldest files", extremes.oldest)):
        if files:
            yield head
            yield from rows_aligned([file_row(file, index.top.path) for file in files], 1)
    yield (
        f"{extremes.small_files:,} of {counted(whole.files, 'file')} have at most 64 KiB:"
        f" {human_size(extremes.small_bytes)}"
    )
    if seen.walked.unreadable:
        yield f"{counted(seen.walked.unreadable, 'entry', 'entries')} could not be read"
        yield from (f"  {problem}" for problem in seen.walked.problems[:PROBLEMS_SHOWN])


def file_row(file: File, top: bytes) -> tuple[str, str, str]:
    """A row for one file, with its path below the top."""
    name = shown(file.path.removeprefix(top).lstrip(b"/"))
    return human_size(file.bytes), (time_text(file.mtime) or "")[:10], name
