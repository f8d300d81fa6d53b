"""The worker: asks for blocks, reads them into its own tables, hands these over."""

from __future__ import annotations

import logging

from lurge.aggregate.aggregator import Aggregator
from lurge.aggregate.split import Splitter
from lurge.model.rules import Rules
from lurge.stream.comm import Comm
from lurge.stream.protocol import Message, Problem, Tag, pack_arrays, pack_object, unpack_object
from lurge.stream.stages import Stages

ASKS_IN_FLIGHT = 2
"""While it reads one message of blocks, the next is on its way."""

log = logging.getLogger(__name__)


class Worker:
    """One rank that works for whichever controller gives it rules, until it is told to stop."""

    def __init__(self, comm: Comm) -> None:
        self._comm = comm
        self._volume = self._assignment = -1
        self._aggregator: Aggregator | None = None
        self._splitter: Splitter | None = None
        self._stages = Stages()

    def run(self, message: Message | None = None) -> int:
        """Work until STOP, beginning with `message`; returns the job's exit status."""
        while True:
            with self._stages("wait"):
                message = message or self._comm.receive()
            if message is None:
                continue
            if message.tag is Tag.STOP:
                return message.numbers[0]
            try:
                self._handle(message)
            except Exception as error:
                log.exception("volume %d failed here", self._volume)
                self._aggregator = None
                problem = pack_object(Problem.of(error, self._comm.name))
                self._comm.send(message.source, Tag.FAILED, self._volume, data=problem)
            message = None

    def _handle(self, message: Message) -> None:
        volume = message.numbers[0]
        if message.tag is Tag.RULES:
            if message.numbers[1] < self._assignment:
                return
            self._volume, self._assignment = message.numbers
            rules: Rules = unpack_object(message.data)
            self._aggregator = Aggregator(rules)
            self._splitter = Splitter(rules) if rules.splits else None
            self._stages = Stages()
            for _ in range(ASKS_IN_FLIGHT):
                self._comm.send(message.source, Tag.ASK, volume)
        elif volume != self._volume or self._aggregator is None:
            log.debug("a late %s for volume %d", message.tag.name, volume)
        elif message.tag is Tag.BLOCKS:
            first_line, lines = message.numbers[1:]
            with self._stages("read"):
                self._aggregator.add(message.data, first_line)
            if self._splitter:
                portion = pack_arrays(self._splitter.split(message.data, lines)._asdict())
                self._comm.send(message.source, Tag.PORTION, volume, first_line, lines, data=portion)
            self._comm.send(message.source, Tag.ASK, volume)
        elif message.tag is Tag.DONE:
            arrays = pack_arrays(self._aggregator.export())
            self._aggregator = None
            spent = (int(self._stages.seconds[stage] * 1e6) for stage in ("read", "wait"))
            self._comm.send(message.source, Tag.REPORT, volume, *spent, data=arrays)
