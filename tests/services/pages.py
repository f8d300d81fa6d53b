"""`lurge serve` as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.services import free_port

SECONDS_TO_START = 60


class Pages:
    """A running server. environment: more variables of it."""

    def __init__(self, config: Path, *options: str, **environment: str) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "lurge", "serve", "-c", str(config), "--port", str(self.port), *options]
        self.log = config.with_name(f"serve-{self.port}.log")
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command, env={**os.environ, **environment}, stdout=log, stderr=log, cwd=config.parent
            )
        ends = time.monotonic() + SECONDS_TO_START
        while not self._listens():
            assert self._process.poll() is None, self.log.read_text()
            assert time.monotonic() < ends, self.log.read_text()
            time.sleep(0.05)

    def _listens(self) -> bool:
        try:
            httpx.get(f"{self.address}/healthz")
        except httpx.HTTPError:
            return False
        return True

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)
