"""Checks of MPI."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator

from lurge.config import Config
from lurge.errors import MpiError
from lurge.parallel.launch import ONE_MACHINE, find_mpiexec
from lurge.parallel.threads import usable_cores
from lurge.pipeline.doctor.finding import Finding, Verdict

MPI_SECONDS = 60


def check_mpi(config: Config) -> Iterator[Finding]:
    """Check that two ranks find each other; without MPI reports run alone."""
    if importlib.util.find_spec("mpi4py") is None:
        said = f"not installed: `lurge report` runs alone, on {usable_cores()} cores; lurge[mpi] brings it"
        yield Finding("MPI", Verdict.OK, said)
        return
    try:
        mpiexec = find_mpiexec()
    except MpiError as error:
        said = f"{error.message}: `lurge report` runs alone, on {usable_cores()} cores"
        yield Finding("MPI", Verdict.WARNING, said, error.advice)
        return
    ask = "import os; from mpi4py import MPI; os.write(1, b'%d ranks\\n' % MPI.COMM_WORLD.size)"
    try:
        done = subprocess.run(
            [mpiexec, "-n", "2", sys.executable, "-P", "-c", ask],
            capture_output=True,
            text=True,
            timeout=MPI_SECONDS,
            env={**ONE_MACHINE, **os.environ},
            stdin=subprocess.DEVNULL,
            check=False,
        )
        answer = done.stdout.split("\n")
    except subprocess.TimeoutExpired:
        answer = [f"no answer within {MPI_SECONDS} s"]
    if answer.count("2 ranks") == 2:
        yield Finding("MPI", Verdict.OK, f"{mpiexec} starts ranks that find each other")
    else:
        advice = "Use the mpiexec of the MPI that mpi4py was built for; `pip install 'lurge[mpi]'` brings both."
        yield Finding("MPI", Verdict.FAILURE, f"two ranks do not find each other: {' '.join(answer).strip()}", advice)
