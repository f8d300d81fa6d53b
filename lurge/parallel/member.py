"""Any rank but the coordinator: its first message tells its role, and it plays that until the job is over."""

from __future__ import annotations

from lurge.logs import set_role
from lurge.parallel.comm import Comm
from lurge.parallel.controller import Controller
from lurge.parallel.messages import ReadVolume, Stop
from lurge.parallel.parts import DoPart, do_parts
from lurge.parallel.worker import Worker


def run_member(comm: Comm) -> int:
    """Work until STOP; returns the job's exit status."""
    set_role(comm.name, "waiting")
    received = None
    while received is None:
        received = comm.receive()
    if isinstance(received.message, Stop):
        return received.message.exit_status
    if isinstance(received.message, ReadVolume):
        set_role(comm.name, "controller")
        return Controller(comm).run(received)
    if isinstance(received.message, DoPart):
        return do_parts(comm, received)
    set_role(comm.name, "worker")
    return Worker(comm).run(received)
