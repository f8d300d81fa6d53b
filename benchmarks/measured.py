"""Run one process and record its time and memory, for `benchmarks.report`.

    python -I -S benchmarks/measured.py FOLDER COMMAND...

Writes FOLDER/<rank>.json, or FOLDER/alone.json outside MPI. If mpiexec starts it in place of each rank, it measures
every rank separately. It imports very little, because the peak memory of a new process includes the memory of its
parent: no peak is below that of this program, about 10 MiB.
"""

import os
import sys
import time

RANK_VARIABLES = ("PMI_RANK", "OMPI_COMM_WORLD_RANK")


def main() -> int:
    folder, *command = sys.argv[1:]
    rank = next((os.environ[name] for name in RANK_VARIABLES if name in os.environ), "alone")
    started = time.monotonic()
    # Not started by subprocess, which would close the file descriptors by which mpiexec and its ranks communicate.
    process = os.posix_spawnp(command[0], command, os.environ)
    _, status, used = os.wait4(process, 0)
    wall = time.monotonic() - started
    with open(f"{folder}/{rank}.json", "w") as file:  # noqa: PTH123 - pathlib is too large for this process
        file.write(f'{{"wall": {wall}, "cpu": {used.ru_utime + used.ru_stime}, "peak": {used.ru_maxrss / 1024}}}')
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
