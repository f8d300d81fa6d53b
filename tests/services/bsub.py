"""A stand-in for LSF's bsub, which cannot be had: it records what it is given, and runs it as LSF would.

Installed as an executable by `install`; run as a program, it is that executable.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

WITH_VALUE = {"-J", "-n", "-o", "-e", "-M", "-R", "-q", "-G", "-w", "-P"}


def install(folder: Path) -> Path:
    """Put `bsub` into a folder for PATH; returns where it records its jobs."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "bsub"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(__file__).resolve()} {folder}/jobs "$@"\n')
    program.chmod(0o755)
    return folder / "jobs"


def recorded(jobs: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in jobs.read_text().splitlines()] if jobs.exists() else []


def main() -> None:
    jobs, arguments = Path(sys.argv[1]), sys.argv[2:]
    options: dict[str, str] = {}
    while arguments and arguments[0] in WITH_VALUE:
        options[arguments[0]] = arguments[1]
        arguments = arguments[2:]
    if not arguments or arguments[0].startswith("-"):
        sys.exit(f"bsub: {arguments[:1]}: no such option")
    number = len(recorded(jobs)) + 1
    array = re.search(r"\[1-(\d+)\]", options.get("-J", ""))
    statuses = []
    for index in range(1, int(array[1]) + 1) if array else [0]:
        statuses.append(run(number, index, options, arguments))
    with jobs.open("a") as file:
        file.write(json.dumps({"options": options, "command": arguments, "statuses": statuses}) + "\n")
    print(f"Job <{number}> is submitted to queue <{options.get('-q', 'normal')}>.")


def run(number: int, index: int, options: dict[str, str], command: list[str]) -> int:
    """Run one job, as its -o and -e say."""
    ranks = options.get("-n", "1")
    environment = {
        **os.environ,
        "LSB_JOBID": str(number),
        "LSB_JOBINDEX": str(index),
        "LSB_DJOB_NUMPROC": ranks,
        "LSB_MCPU_HOSTS": f"{os.uname().nodename} {ranks}",
    }
    out, err = (options[name].replace("%J", str(number)).replace("%I", str(index)) for name in ("-o", "-e"))
    with open(out, "wb") as out_file, open(err, "wb") as err_file:
        # As LSF does: the words make a line for a shell.
        return subprocess.run(
            ["/bin/sh", "-c", " ".join(command)],
            stdin=subprocess.DEVNULL,
            stdout=out_file,
            stderr=err_file,
            env=environment,
            check=False,
        ).returncode


if __name__ == "__main__":
    main()
