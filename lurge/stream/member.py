"""Any rank but the coordinator: its first message tells its role, and it plays that until the job is over."""

from __future__ import annotations

from lurge.logs import set_role
from lurge.stream.comm import Comm
from lurge.stream.controller import Controller
from lurge.stream.protocol import Tag
from lurge.stream.worker import Worker


def run_member(comm: Comm) -> int:
    """Work until STOP; returns the job's exit status."""
    set_role(comm.name, "waiting")
    message = None
    while message is None:
        message = comm.receive()
    if message.tag is Tag.STOP:
        return message.numbers[0]
    if message.tag is Tag.VOLUME:
        set_role(comm.name, "controller")
        return Controller(comm).run(message)
    set_role(comm.name, "worker")
    return Worker(comm).run(message)
