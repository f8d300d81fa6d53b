"""Any rank but the coordinator: waits to be told its role, and plays it until the job is over."""

from __future__ import annotations

import os

from lurge.logs import set_role
from lurge.stream.comm import Comm
from lurge.stream.controller import Controller, run_local_controller
from lurge.stream.protocol import Role, Tag
from lurge.stream.worker import Worker


def run_member(comm: Comm) -> int:
    """Play the role that the coordinator gives; returns the job's exit status."""
    set_role(comm.rank, "waiting")
    while True:
        message = comm.receive()
        if message is None:
            continue
        if message.tag is Tag.STOP:
            return message.numbers[0]
        role = Role(message.numbers[0])
        set_role(comm.rank, role.name.lower().replace("_", " "))
        if role is Role.WORKER:
            return Worker(comm).run()
        if role is Role.CONTROLLER:
            return Controller(comm).run()
        return run_local_controller(comm, usable_cores())


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))
