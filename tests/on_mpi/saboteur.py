"""Runs `lurge` with one rank sabotaged; started by mpiexec in the tests of this folder.

$SABOTAGE is `DEED WHO WHEN`: DEED raise or kill; WHO coordinator, controller or worker; WHEN start (it begins to play
its role), middle (some blocks were read), handing (a worker is to hand over its report) or storing (the coordinator is
in the middle of its transaction). The time of a kill is written to $SABOTAGE_TIME.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lurge.__main__ import main
from lurge.aggregate import volume
from lurge.parallel import controller, coordinator, member, reader
from lurge.parallel.messages import HandOver, Progress
from lurge.store.usage import swap

DEED, WHO, WHEN = os.environ["SABOTAGE"].split()
CLOCK = Path(os.environ["SABOTAGE_TIME"])
STORING = CLOCK.with_suffix(".storing")
MIDDLE_OF_BLOCKS = 3


class SabotageError(Exception):
    pass


def do_it() -> None:
    try:
        CLOCK.with_suffix(".claimed").touch(exist_ok=False)
    except FileExistsError:
        return
    if DEED == "raise":
        raise SabotageError(f"sabotaged {WHO}")
    CLOCK.write_text(repr(time.time()))
    os.kill(os.getpid(), signal.SIGKILL)


def before(owner: Any, name: str, deed: Callable[..., None]) -> None:
    original = getattr(owner, name)

    def replaced(*arguments: Any, **named: Any) -> Any:
        deed(*arguments)
        return original(*arguments, **named)

    setattr(owner, name, replaced)


def once_at(count: int) -> Callable[..., None]:
    calls = 0

    def deed(*_: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == count:
            do_it()

    return deed


def wait_for_storing() -> None:
    while not STORING.exists():
        time.sleep(0.005)
    do_it()


def at_start() -> None:
    owner = {"coordinator": coordinator.Coordinator, "controller": controller.Controller, "worker": member.Worker}[WHO]
    before(owner, "run", lambda *_: do_it())


def in_the_middle() -> None:
    if WHO == "worker":
        before(volume.Pass, "add", once_at(MIDDLE_OF_BLOCKS))
    elif WHO == "controller":
        before(reader.Reader, "take", once_at(MIDDLE_OF_BLOCKS))
    else:

        def deed(_: Any, message: Any) -> None:
            if isinstance(message, Progress):
                do_it()

        before(coordinator.Coordinator, "_handle", deed)


def while_storing() -> None:
    def deed(*_: Any) -> None:
        STORING.touch()
        if WHO == "coordinator":
            do_it()
        time.sleep(3600)

    before(swap.Swap, "_insert_vault", deed)
    roles = {"controller": "run", "worker": "run"}
    if WHO in roles:
        owner = controller.Controller if WHO == "controller" else member.Worker
        before(owner, "run", lambda *_: threading.Thread(target=wait_for_storing, daemon=True).start())


def while_handing_over() -> None:
    """One worker fails with its report in hand; the others hand over theirs when the volume has long failed."""

    def deed(_: Any, __: int, message: Any) -> None:
        if isinstance(message, HandOver):
            do_it()
            time.sleep(2)

    before(member.Worker, "_handle", deed)


{"handing": while_handing_over, "start": at_start, "middle": in_the_middle, "storing": while_storing}[WHEN]()
main()
