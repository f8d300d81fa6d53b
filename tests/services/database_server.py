"""What private database servers have in common: a process with a folder and a log, stopped, killed and started."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

SECONDS_TO_START = 60


class DatabaseServer(ABC):
    """One server, which can be stopped, killed and started again."""

    stop_signal: ClassVar[signal.Signals]
    """Makes the server end in order, without waiting for its clients."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def start(self, *options: str) -> None:
        """Start the server, with some options more."""

    @abstractmethod
    def kill(self) -> None:
        """End the server at once, as a crash would."""

    @abstractmethod
    def _answers(self) -> bool: ...

    def _start(self, command: Sequence[str | Path], **process: Any) -> None:
        """Start the server's process and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **process)
        ends = time.monotonic() + SECONDS_TO_START
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < ends, (self.folder / "log").read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        assert self._process
        self._process.send_signal(self.stop_signal)
        self._process.wait(60)

    def restart(self, *options: str) -> None:
        self.stop()
        self.start(*options)

    def remove(self) -> None:
        if self._process and self._process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
