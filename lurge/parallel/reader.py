"""The thread that inflates and cuts a dump, a few batches ahead of who takes them."""

from __future__ import annotations

import queue
import threading
from contextlib import closing

from lurge.model.era import Era
from lurge.model.rules import Rules
from lurge.parallel.blocks import Batch, OpenDump
from lurge.parallel.messages import VolumeTask
from lurge.parallel.shared import SharedMemory
from lurge.source.finding import read_base_directories

BATCHES_AHEAD = 4
STOP_SECONDS = 10


def rules_of(task: VolumeTask, era: Era) -> Rules:
    """The rules for a dump of `era`. Raises BaseDirectoriesError."""
    return Rules(
        era=era,
        dump_time=task.dump.time,
        directories=tuple(read_base_directories(task.base_directories)),
        pseudo_groups=task.pseudo_groups,
        filetypes=task.filetypes,
        deep_directories=task.deep_directories,
        aliases=task.aliases,
    )


class Reader:
    """A thread that inflates and cuts a dump, into `memory` if there is any."""

    def __init__(self, task: VolumeTask, memory: SharedMemory | None) -> None:
        self._task = task
        self._memory = memory.text if memory else None
        self._dump = OpenDump(task.dump.path)
        self.stages = self._dump.stages
        self._ready: queue.Queue[Batch | Exception | None] = queue.Queue(BATCHES_AHEAD)
        self._stopped = threading.Event()
        try:
            self.rules = rules_of(task, self._dump.era)
        except BaseException:
            self._dump.close()
            raise
        self.lines = 0
        self.ended = False
        self._thread = threading.Thread(target=self._read, daemon=True, name=f"read {task.dump.volume.name}")
        self._thread.start()

    @property
    def position(self) -> int:
        """Bytes of the file that were read."""
        return self._dump.position

    def _read(self) -> None:
        try:
            with closing(self._dump) as dump:
                for batch in dump.batches(self._task.block_records, self._memory):
                    if not self._put(batch):
                        return
        except Exception as error:
            self._put(error)
        else:
            self._put(None)

    def _put(self, item: Batch | Exception | None) -> bool:
        """Queue an item; False if nobody wants it any more."""
        with self.stages("blocked"):
            while not self._stopped.is_set():
                try:
                    self._ready.put(item, timeout=0.1)
                except queue.Full:
                    continue
                return True
        return False

    @property
    def is_ahead(self) -> bool:
        """True if the thread waits until a batch is taken, or will when it has read one more."""
        return self._ready.qsize() >= BATCHES_AHEAD - 1

    def take(self, timeout: float) -> Batch | None:
        """The next batch; None if none came in time or, then `ended` is set, none will come.

        Raises what reading raised.
        """
        if self.ended:
            return None
        try:
            item = self._ready.get(timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(item, Exception):
            try:
                raise item
            finally:
                # The exception's traceback leads to all memory of the volume, which would wait for the collector.
                del item
        if item is None:
            self.ended = True
            return None
        self.lines += item.lines
        return item

    def stop(self) -> None:
        """Read no more; afterwards nothing is written into any buffer."""
        self._stopped.set()
        self._thread.join(STOP_SECONDS)
