"""The aggregate of the tree index, and its sink, which rolls up and writes the files of the index."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lurge.aggregate.interface import Aggregate, Check, Crew, Sink
from lurge.aggregate.rollup import RunPlace, roll_up_runs
from lurge.aggregate.tree import TREE_INDEX, TreeTally
from lurge.atomic import writing_volume
from lurge.kernels.cells import LARGEST
from lurge.kernels.pages import read_owners
from lurge.kernels.rollup import CELL_COUNT, FIRST_BYTE, TOTAL
from lurge.kernels.tree import TRANSLATION
from lurge.model.report import Counts
from lurge.model.rules import FileType, Rules
from lurge.model.tree import ENDS, Run, TreeTotals
from lurge.store.tree.layout import DIRECTORIES
from lurge.store.tree.parquet import write_all
from lurge.store.tree.write import IndexWriter


@dataclass(frozen=True)
class TreeIndex(Aggregate[Any, TreeTotals]):
    """The index of a volume. folder: where its files are written, which every rank must see; mount: the volume's path.

    filetypes: in the order in which they are tried.
    """

    folder: Path
    mount: str
    filetypes: tuple[FileType, ...]
    name: str = TREE_INDEX

    def tally(self, rules: Rules) -> TreeTally:
        return TreeTally(rules, self.filetypes)

    def open_sink(self) -> RollUp:
        return RollUp(self.folder, self.mount, self.filetypes)

    def result(self, export: TreeTotals, rules: Rules) -> TreeTotals:
        return export

    def checks(self, result: TreeTotals, counts: Counts) -> Iterable[Check]:
        both = min(counts.attributed_bytes + counts.unattributed_bytes, int(LARGEST))
        yield Check("present records = records of the tree", counts.attributed + counts.unattributed, result.records)
        yield Check("all bytes = bytes of the tree", both, result.bytes)


class RollUp(Sink[Any]):
    """Keeps runs in a file, and rolls them up at the end. Every method raises VolumeError."""

    def __init__(self, folder: Path, mount: str, filetypes: Sequence[FileType]) -> None:
        self._folder = folder
        mount_bytes = mount.rstrip("/").encode("utf-8", "surrogateescape")
        self._mount = mount_bytes.translate(TRANSLATION)
        self._filetypes = filetypes
        self._places: list[RunPlace] = []
        with writing_volume(folder):
            folder.mkdir(parents=True)
            self._file = (folder / ".runs").open("w+b", buffering=0)

    def add(self, first_line: int, lines: int, portion: Run) -> None:
        with writing_volume(self._folder):
            self._append(portion)

    def _append(self, run: Run) -> None:
        start = self._places[-1].end if self._places else 0
        write_all(self._file, run.text.data)
        self._places.append(RunPlace(start, start + len(run.text), run.first, run.last))

    def finish(self, export: list[Run], crew: Crew) -> TreeTotals:
        with writing_volume(self._folder):
            for run in export:
                self._append(run)
            try:
                return self._roll_up(crew)
            finally:
                self._file.close()
                (self._folder / ".runs").unlink()

    def _read_into(self, offset: int, memory: memoryview) -> int:
        count = os.preadv(self._file.fileno(), [memory], offset)
        if not count:
            raise OSError(f"{self._file.name} became shorter")
        return count

    def _roll_up(self, crew: Crew) -> TreeTotals:
        writer = IndexWriter(self._folder, [*(filetype.name for filetype in self._filetypes), *ENDS], crew)
        records = bytes_ = 0
        gids: list[int] = []
        uids: list[int] = []
        for part in roll_up_runs(self._places, self._read_into, self._mount, len(self._filetypes)):
            writer.add(part)
            if part.is_last:
                records, bytes_ = part.directories[-1, TOTAL].item(), part.directories[-1, TOTAL + 3].item()
                first, count = part.directories[-1, [FIRST_BYTE, CELL_COUNT]].tolist()
                owners = np.empty((2, count), np.int64)
                read_owners(*owners, part.cells.text, first, part.cells.lengths[len(part.cells.lengths) - count :])
                gids, uids = (np.unique(numbers).tolist() for numbers in owners)
        rows = writer.close()
        return TreeTotals(records, bytes_, rows[DIRECTORIES], rows, gids, uids)
