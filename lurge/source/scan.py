"""Scanning a tree into a dump, with several processes. It has wrstat's newest format and name (docs/formats.md)."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lurge.atomic import open_new, remove_abandoned, sync_folder, unfinished_folder
from lurge.errors import OutputError
from lurge.source.deflate import deflating
from lurge.source.naming import folder_mount
from lurge.source.pool import MAX_PROCESSES, Slot
from lurge.source.tree_walk import TreeWalk, Walked


@dataclass
class ScanResult(Walked):
    """The counts of a scan, and the path of its dump."""

    dump: Path
    seconds: float
    processes: int


class _OrderedText:
    """Pieces of text in the order of the tree."""

    def __init__(self, root: Slot) -> None:
        self._stack: list[Iterator[bytes | Slot]] = [iter([root])]
        self._blocked: Slot | None = None

    def ready(self) -> Iterator[bytes]:
        """Text that can be written now: up to the first unit that is not done."""
        while self._stack:
            piece = self._blocked or next(self._stack[-1], None)
            self._blocked = None
            if piece is None:
                self._stack.pop()
            elif isinstance(piece, bytes):
                yield piece
            elif piece.pieces is None:
                self._blocked = piece
                return
            else:
                self._stack.append(iter(piece.pieces))
                piece.pieces = []


def scan_tree(
    root: Path,
    directory: Path,
    *,
    cross: bool = False,
    blocks: bool = False,
    processes: int = MAX_PROCESSES,
    advanced: Callable[[int], None] = lambda entries: None,
) -> ScanResult:
    """Walk `root` and write a dump below `directory`, where it appears whole or not at all.

    cross: also walk other file systems that are mounted below `root`. blocks: write sizes as blocks * 512 instead of
    apparent sizes. processes: maximum number that walk at once. advanced: called with the number of entries so far.
    Raises ScanError if the root cannot be read, OutputError if the dump cannot be written.
    """
    started, now = time.monotonic(), datetime.now(UTC)
    with TreeWalk(root, cross=cross, blocks=blocks, processes=processes, advanced=advanced) as walk:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            remove_abandoned(directory)
            with unfinished_folder(directory) as temporary:
                folder = temporary / "dump"
                folder.mkdir()
                with open_new(folder / "stats.gz") as file:
                    packer = deflating()
                    for text in in_order(walk):
                        file.write(packer.compress(text))
                    file.write(packer.flush())
                    file.flush()
                    os.fsync(file.fileno())
                sync_folder(folder)
                dump = publish(folder, directory, folder_mount(os.fsdecode(walk.top)), now) / "stats.gz"
                sync_folder(directory)
        except OSError as error:
            raise OutputError.at(error.filename or directory, error) from error
    return ScanResult(**vars(walk.walked), dump=dump, seconds=time.monotonic() - started, processes=walk.processes)


def in_order(walk: TreeWalk) -> Iterator[bytes]:
    """The lines of a tree in the order of a dump."""
    yield walk.first_line
    text = _OrderedText(walk.root)
    for _ in walk.units():
        for piece in text.ready():
            walk.text_waiting -= len(piece)
            yield piece


def publish(folder: Path, directory: Path, mount: str, started: datetime) -> Path:
    """Rename a finished dump to its final name, with the time at which the scan started.

    If another dump has the name, the time of the first later second that is free.
    """
    while True:
        published = directory / f"{started:%Y%m%d-%H%M%S}_{mount}"
        try:
            return folder.rename(published)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        started += timedelta(seconds=1)
