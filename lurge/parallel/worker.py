"""The worker: asks for blocks, adds them to its own tallies, hands these over, and then does parts for sinks."""

from __future__ import annotations

import logging

from lurge.aggregate.volume import Pass
from lurge.parallel.comm import Comm, Received
from lurge.parallel.messages import (
    Ask,
    Blocks,
    Data,
    HandOver,
    Message,
    Portions,
    Prepare,
    SharedBlocks,
    Stop,
    Tallies,
    WorkFailed,
    volume_error,
)
from lurge.parallel.parts import DoPart, done_part
from lurge.parallel.shared import Text, attach
from lurge.parallel.stages import OF_WORKERS, Stages

ASKS_IN_FLIGHT = 4
"""While it reads one message of blocks, others are on their way."""

log = logging.getLogger(__name__)


class Worker:
    """One rank that works for whichever controller prepares it, until it is told to stop."""

    def __init__(self, comm: Comm) -> None:
        self._comm = comm
        self._assignment = -1
        self._pass: Pass | None = None
        self._memory: Text | None = None
        self._stages = Stages()

    def run(self, received: Received | None = None) -> int:
        """Work until Stop, beginning with `received`; returns the job's exit status."""
        while True:
            with self._stages("wait"):
                received = received or self._comm.receive()
            if received is None:
                continue
            if isinstance(received.message, Stop):
                return received.message.exit_status
            try:
                self._handle(*received)
            except Exception as error:
                log.exception("assignment %d failed here", self._assignment)
                self._pass = self._memory = None
                failure = volume_error(error, self._comm.name)
                self._comm.send(received.source, WorkFailed(self._assignment, failure))
            received = None

    def _handle(self, controller: int, message: Message) -> None:
        if isinstance(message, Prepare):
            self._prepare(controller, message)
        elif isinstance(message, DoPart):
            self._comm.send(controller, done_part(self._comm, message))
        elif isinstance(message, Blocks | SharedBlocks | HandOver):
            if message.assignment != self._assignment or self._pass is None:
                log.debug("a late %s of assignment %d", type(message).__name__, message.assignment)
            elif isinstance(message, HandOver):
                self._hand_over(controller, self._pass)
            else:
                self._read(controller, self._pass, message)

    def _prepare(self, controller: int, orders: Prepare) -> None:
        if orders.assignment < self._assignment:
            return
        self._assignment = orders.assignment
        self._memory = attach(orders.memory) if orders.memory else None
        self._pass = Pass(orders.rules, orders.aggregates)
        self._stages = Stages()
        for _ in range(ASKS_IN_FLIGHT):
            self._ask(controller, has_read=False)

    def _read(self, controller: int, volume_pass: Pass, blocks: Blocks | SharedBlocks) -> None:
        with self._stages("read"):
            volume_pass.add(self._text_of(blocks), blocks.first_line)
        if portions := volume_pass.take_portions():
            self._comm.send(controller, Portions(self._assignment, blocks.first_line, blocks.lines, portions))
        self._ask(controller, has_read=True)

    def _text_of(self, blocks: Blocks | SharedBlocks) -> Data:
        if isinstance(blocks, Blocks):
            return blocks.text
        assert self._memory is not None
        return self._memory[blocks.start : blocks.end]

    def _hand_over(self, controller: int, volume_pass: Pass) -> None:
        export = volume_pass.export()
        self._pass = self._memory = None
        spent = {stage: self._stages.seconds[stage] for stage in OF_WORKERS}
        self._comm.send(controller, Tallies(self._assignment, export, spent))

    def _ask(self, controller: int, has_read: bool) -> None:
        self._comm.send(controller, Ask(self._assignment, self._memory is not None, has_read))
