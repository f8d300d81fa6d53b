"""Commands that run on any number of ranks: one process, a scheduler's mpiexec, or an mpiexec that lurge starts."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lurge.errors import LurgeError
from lurge.pipeline.frame.outcome import exit_status_of

if TYPE_CHECKING:
    from lurge.parallel.comm import Comm

log = logging.getLogger(__name__)

RanksOption = Annotated[
    int | None,
    typer.Option("-n", "--ranks", metavar="N", min=1, help="Start mpiexec with N ranks on this machine."),
]


def run_on_ranks(command: list[str], ranks: int | None, recipe: str, coordinate: Callable[[Comm | None], int]) -> None:
    """Exit with the status of `coordinate`, which rank 0 runs; the other ranks are members.

    command: the arguments for lurge, to start more ranks if the user asked for them. recipe: the module that
    `coordinate` needs.
    """
    from lurge.parallel.ranks import own_rank
    from lurge.parallel.threads import usable_cores

    if ranks and ranks > 1:
        from lurge.cli.relay import show_ranks
        from lurge.parallel.launch import start_ranks

        if ranks > (cores := usable_cores()):
            log.info("%d ranks on %d cores: more ranks than cores are not faster", ranks, cores)
        sys.exit(start_ranks(ranks, command, show_ranks))
    from lurge.parallel.comm import connect, run_rank
    from lurge.parallel.leftovers import remove_all_leftovers

    # Before the ranks report in: an import that hangs on one node must not hang the job.
    import_module(recipe if own_rank() == 0 else "lurge.parallel.member")
    comm = connect()
    if comm is None:
        raise typer.Exit(coordinate(None))
    remove_all_leftovers()
    if comm.rank == 0:
        sys.exit(run_rank(comm, lambda: coordinate_others(comm, coordinate)))
    from lurge.parallel.member import run_member

    sys.exit(run_rank(comm, lambda: run_member(comm)))


def coordinate_others(comm: Comm, coordinate: Callable[[Comm | None], int]) -> int:
    """Rank 0's part. However it ends, the other ranks end with its status."""
    status = LurgeError.exit_status
    try:
        status = coordinate(comm)
    except LurgeError as error:
        status = exit_status_of(error)
        raise
    finally:
        comm.stop_others(status)
    return status


def arguments(command: str, config: Path | None, **options: object) -> list[str]:
    """A command and its options as arguments. options: by name; flags are booleans, None means not given."""
    given: Mapping[str, object] = {"config": os.path.abspath(config) if config else None, **options}
    words = [command]
    for name, value in given.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(flag)
        elif value is not None and value is not False:
            words += [flag, str(value)]
    return words
