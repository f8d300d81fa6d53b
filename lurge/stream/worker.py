"""The worker: asks for blocks, reads them into its own tables, hands these over."""

from __future__ import annotations

import logging

from lurge.aggregate.aggregator import Aggregator
from lurge.aggregate.split import Splitter
from lurge.model.rules import Rules
from lurge.stream.comm import Comm
from lurge.stream.protocol import Message, Problem, Tag, pack_arrays, pack_object, unpack_object
from lurge.stream.shared import Place, Text, attach
from lurge.stream.stages import OF_WORKERS, Stages

ASKS_IN_FLIGHT = 4
"""While it reads one message of blocks, others are on their way."""

log = logging.getLogger(__name__)


class Worker:
    """One rank that works for whichever controller gives it rules, until it is told to stop."""

    def __init__(self, comm: Comm) -> None:
        self._comm = comm
        self._assignment = -1
        self._aggregator: Aggregator | None = None
        self._splitter: Splitter | None = None
        self._memory: Text | None = None
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
                log.exception("assignment %d failed here", self._assignment)
                self._aggregator = self._memory = None
                problem = pack_object(Problem.of(error, self._comm.name))
                self._comm.send(message.source, Tag.FAILED, self._assignment, data=problem)
            message = None

    def _handle(self, message: Message) -> None:
        assignment = message.numbers[0]
        if message.tag is Tag.RULES:
            if assignment < self._assignment:
                return
            self._assignment = assignment
            rules: Rules
            place: Place | None
            rules, place = unpack_object(message.data)
            self._memory = attach(place) if place else None
            self._aggregator = Aggregator(rules)
            self._splitter = Splitter(rules) if rules.splits else None
            self._stages = Stages()
            for _ in range(ASKS_IN_FLIGHT):
                self._ask(message.source, read=False)
        elif assignment != self._assignment or self._aggregator is None:
            log.debug("a late %s of assignment %d", message.tag.name, assignment)
        elif message.tag is Tag.BLOCKS:
            first_line, lines, *bounds = message.numbers[1:]
            text = message.data if self._memory is None or not bounds else self._memory[slice(*bounds)]
            with self._stages("read"):
                self._aggregator.add(text, first_line)
            if self._splitter:
                portion = pack_arrays(self._splitter.split(text, lines)._asdict())
                self._comm.send(message.source, Tag.PORTION, assignment, first_line, lines, data=portion)
            self._ask(message.source, read=True)
        elif message.tag is Tag.DONE:
            arrays = pack_arrays(self._aggregator.export())
            self._aggregator = self._memory = None
            spent = (int(self._stages.seconds[stage] * 1e6) for stage in OF_WORKERS)
            self._comm.send(message.source, Tag.REPORT, assignment, *spent, data=arrays)

    def _ask(self, controller: int, read: bool) -> None:
        self._comm.send(controller, Tag.ASK, self._assignment, int(self._memory is not None), int(read))
