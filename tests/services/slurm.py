"""A private Slurm of one node: own folder, loopback ports, no systemd."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.services import free_port, need

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch")
SECONDS_TO_START = 60
SECONDS_FOR_JOBS = 200

CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmctldPort={controller_port}
SlurmdPort={node_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=0,bf_interval=1
SlurmdParameters=config_overrides
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=64000 State=UNKNOWN
PartitionName=normal Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str | None:
    """Why no Slurm can be started here; None where one can."""
    for program in PROGRAMS:
        if not shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            return f"{program} is not installed (Debian: slurmctld slurmd slurm-client munge)"
    if os.getuid() != 0:
        return "slurmd and munged want root here"
    return None


class Slurm:
    """A controller and a node. Raises AssertionError with the logs where they do not come up."""

    def __init__(self) -> None:
        need(missing())
        os.environ["PATH"] += ":/usr/sbin:/sbin"
        self.folder = Path(tempfile.mkdtemp(prefix="lurge-slurm-"))
        self.folder.chmod(0o755)
        for name in ("state", "spool"):
            (self.folder / name).mkdir()
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        self.configuration = self.folder / "slurm.conf"
        self.configuration.write_text(
            CONFIGURATION.format(
                host=socket.gethostname(),
                user=getpass.getuser(),
                folder=self.folder,
                controller_port=free_port(),
                node_port=free_port(),
            )
        )
        self.environment = {**os.environ, "SLURM_CONF": str(self.configuration)}
        self._processes: list[subprocess.Popen[bytes]] = []
        self._start(
            "munged", "-F", "-f", f"--socket={self.folder}/munge.socket", f"--key-file={key}",
            f"--pid-file={self.folder}/munged.pid", f"--log-file={self.folder}/munged.log",
            f"--seed-file={self.folder}/munged.seed",
        )  # fmt: skip
        self._wait(lambda: (self.folder / "munge.socket").exists())
        self._start("slurmctld", "-D", "-i", "-f", str(self.configuration))
        self._start("slurmd", "-D", "-f", str(self.configuration), "-N", socket.gethostname())
        self._wait(self._is_idle)

    def _start(self, *command: str) -> None:
        with (self.folder / f"{command[0]}.out").open("wb") as out:
            self._processes.append(subprocess.Popen(command, env=self.environment, stdout=out, stderr=out))

    def _is_idle(self) -> bool:
        shown = subprocess.run(["sinfo", "-h", "-o", "%t"], env=self.environment, capture_output=True, check=False)
        return shown.stdout.strip() == b"idle"

    def wait_until_idle(self) -> None:
        """Wait until no job is left."""

        def no_jobs() -> bool:
            shown = subprocess.run(["squeue", "-h"], env=self.environment, capture_output=True, check=True)
            return not shown.stdout.strip()

        self._wait(no_jobs, SECONDS_FOR_JOBS)

    def _wait(self, ready: Callable[[], bool], seconds: float = SECONDS_TO_START) -> None:
        ends = time.monotonic() + seconds
        while not ready():
            logs = "\n".join(path.read_text(errors="replace") for path in self.folder.glob("*.[lo][ou][gt]"))
            assert time.monotonic() < ends, logs
            time.sleep(0.1)

    def remove(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
            process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)
