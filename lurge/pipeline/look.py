"""Looking at one tree without configuration or database: its index is built while it is walked."""

from __future__ import annotations

import grp
import json
import os
import pwd
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from lurge.aggregate.extremes import Extremes
from lurge.aggregate.volume import Pass, make_results
from lurge.aggregate.warm import REPORT, TREE, WALK, compile_kernels
from lurge.atomic import writing_volume
from lurge.config.filetypes import BUILT_IN_FILETYPES
from lurge.display import display
from lurge.errors import OutputError, VolumeError
from lurge.model.dump import Dump, Volume
from lurge.model.era import QUOTED_12
from lurge.model.files import FileExtremes
from lurge.model.paths import PathAliases, shown
from lurge.model.rules import Rules
from lurge.model.tree import GENERAL_FILETYPES, TreeTotals
from lurge.parallel.crew import ThreadCrew
from lurge.parallel.threads import usable_cores
from lurge.pipeline.stopping import stop_on_interrupt
from lurge.source.tree_walk import TreeWalk, Walked
from lurge.store.tree.build import TreeIndex
from lurge.store.tree.layout import MANIFEST
from lurge.store.tree.publish import Names, manifest_of, place_of, publish, write_manifest
from lurge.store.tree.read import Index

TEXT_BYTES = 1 << 19
"""The bytes of text that are read at once, at least."""

FILETYPES = (*BUILT_IN_FILETYPES, *GENERAL_FILETYPES)


@dataclass(frozen=True)
class Look:
    """A tree that was walked, its index, and its largest and oldest files.

    is_complete: False if an interrupt ended the walk. The index is removed at the end unless it is saved, which an
    incomplete one is not.
    """

    walked: Walked
    is_complete: bool
    index: Index
    extremes: FileExtremes


@contextmanager
def look_at(
    path: Path,
    save: Path | None,
    *,
    cross: bool,
    top: int,
    advanced: Callable[[int], None],
    stopped: Callable[[], None],
) -> Iterator[Look]:
    """Walk and index a tree; the index is in `save`, or in a temporary folder until the end.

    top: number of the largest and oldest files. advanced: called with the number of entries so far. stopped: called if
    an interrupt from the keyboard has ended the walk early; the next interrupt ends everything.
    Raises ScanError, OutputError, VolumeError, TreeError.
    """
    if save:
        refuse_another(save, os.fsdecode(os.path.abspath(path)))
    compile_kernels((*REPORT, *TREE, WALK), lambda kernels, total: None)
    with temporary_folder(save) as temporary:
        folder = temporary / "index"
        with stop_on_interrupt() as stop:
            with TreeWalk(path, cross=cross, advanced=advanced, stop=stop) as walk:
                indexing = Indexing(walk.top, folder, top)
                for text in joined(walk.texts()):
                    indexing.add(text)
            if not walk.is_complete:
                stopped()
            manifest, extremes = indexing.finish(walk.walked.entries)
        if save and walk.is_complete:
            folder = publish(folder, save, manifest)
        else:
            with writing_volume(folder):
                write_manifest(folder, manifest)
        yield Look(walk.walked, walk.is_complete, Index(folder), extremes)


def refuse_another(save: Path, mount: str) -> None:
    """Raise OutputError if the place of an index in a directory holds that of another tree."""
    name = shown(os.fsencode(mount)).rpartition("/")[2] or "root"
    place = place_of(save, name, datetime.now(UTC).date())
    try:
        path = json.loads((place / MANIFEST).read_text(encoding="utf-8")).get("path")
    except (OSError, ValueError, AttributeError):
        return
    if path != mount:
        raise OutputError(f"{place} is the index of {display(path)}", "Give another directory to --save.")


@contextmanager
def temporary_folder(save: Path | None) -> Iterator[Path]:
    """A folder that is removed at the end: in the one that is given, else where temporary files are."""
    try:
        if save:
            save.mkdir(parents=True, exist_ok=True)
        temporary = TemporaryDirectory(prefix=".look-" if save else "lurge-look-", dir=save)
    except OSError as error:
        raise OutputError.at(save or "temporary files", error) from error
    with temporary as folder:
        yield Path(folder)


class Indexing:
    """The index of a tree while its lines arrive, and its largest and oldest files. Every method raises VolumeError."""

    def __init__(self, top: bytes, folder: Path, count: int) -> None:
        """top: the path of the tree. folder: place of the index. count: number of the largest and oldest files."""
        mount = os.fsdecode(top)
        name = shown(top.rpartition(b"/")[2]) or "root"
        self._dump = Dump(Volume(name, mount), Path(mount), datetime.now(UTC).date(), 0)
        self._rules = Rules(QUOTED_12, self._dump.time, (), (), BUILT_IN_FILETYPES, (), PathAliases())
        self._index, self._extremes = TreeIndex(folder, mount, FILETYPES), Extremes(count)
        self._pass, self._sink = Pass(self._rules, [self._index, self._extremes]), self._index.open_sink()
        self._next_line = 1

    def add(self, text: bytearray) -> None:
        """Add whole lines."""
        self._pass.add(np.frombuffer(text, np.uint8), self._next_line)
        lines = text.count(b"\n")
        for portion in self._pass.take_portions().values():
            self._sink.add(self._next_line, lines, portion)
        self._next_line += lines

    def finish(self, entries: int) -> tuple[dict[str, Any], FileExtremes]:
        """The manifest of the index, whose other files are written, and the files. entries: number of lines."""
        export = self._pass.export()
        with closing(ThreadCrew(usable_cores())) as crew:
            export.tallies[self._index.name] = self._sink.finish(export.tallies[self._index.name], crew)
        name, aggregates = self._dump.volume.name, (self._index, self._extremes)
        results = make_results(name, export, self._rules, aggregates, entries)
        if results.counts.rejected:
            raise VolumeError(f"{self._dump.path}: {results.counts.rejected} entries could not be read back")
        totals = results.of(self._index)
        return manifest_of(self._dump, totals, names_of(totals)), results.of(self._extremes)


def joined(texts: Iterable[bytes]) -> Iterator[bytearray]:
    """The same text in parts of at least TEXT_BYTES but the last."""
    text = bytearray()
    for piece in texts:
        text += piece
        if len(text) >= TEXT_BYTES:
            yield text
            text = bytearray()
    yield text


def names_of(totals: TreeTotals) -> Names:
    """The names of the groups and users of an index on this machine, and of its filetypes."""
    return Names(
        groups={gid: name_of(grp.getgrgid, gid) for gid in totals.gids},
        users={uid: name_of(pwd.getpwuid, uid) for uid in totals.uids},
        filetypes=[filetype.name for filetype in FILETYPES],
    )


def name_of(find: Callable[[int], grp.struct_group | pwd.struct_passwd], number: int) -> str:
    """The name of a group or user on this machine; the number if it has none."""
    try:
        return str(find(number)[0])
    except (KeyError, OverflowError):
        return str(number)
