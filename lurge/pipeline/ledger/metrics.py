"""The answers of a service to operators: numbers for Prometheus at /metrics, and its readiness at /readyz."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from lurge.errors import LedgerError
from lurge.store.ledger.batch import Counts

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
LONGEST_SILENCE = 30.0
"""Seconds after which a service that did not go on is not ready: it waits for the database or the broker."""

log = logging.getLogger(__name__)


class Metrics:
    """The numbers of one instance. Raises LedgerError if the library is missing.

    is_ready: whether the group has given it partitions, or told it that others have them all.
    """

    def __init__(self) -> None:
        try:
            from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
        except ImportError as error:
            raise LedgerError(f"metrics: {error}", "Install lurge[ledger].") from error
        disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no types
        self.registry = CollectorRegistry()
        self.is_ready = False
        self._lived = time.monotonic()
        names = {"applied": "applied to amounts", "duplicates": "known already", "retried": "to be tried again",
                 "rejected": "put among the errors", "resent": "delivered again, and left out"}  # fmt: skip
        self._counters = {
            name: Counter(f"lurge_ledger_{name}", f"Events {text}.", registry=self.registry)
            for name, text in names.items()
        }
        self._seconds = Histogram(
            "lurge_ledger_batch_seconds", "Time of a batch in the database.", buckets=BUCKETS, registry=self.registry
        )
        self._size = Gauge("lurge_ledger_batch_size", "Most events of a batch, at present.", registry=self.registry)
        self._lag = Gauge(
            "lurge_ledger_lag", "Messages of a partition that are not read yet.", ["topic", "partition"],
            registry=self.registry,
        )  # fmt: skip
        self._up = Gauge("lurge_ledger_ready", "1 if the service reads its partitions.", registry=self.registry)
        self._up.set_function(lambda: int(self.reads))

    @property
    def reads(self) -> bool:
        """True if the service goes on."""
        return self.is_ready and time.monotonic() - self._lived < LONGEST_SILENCE

    def lived(self) -> None:
        """Note that the service goes on."""
        self._lived = time.monotonic()

    def batch(self, counts: Counts, seconds: float, size: int) -> None:
        """Add a batch."""
        numbers = {"applied": counts.applied, "duplicates": counts.duplicates, "retried": counts.retried,
                   "rejected": counts.errors, "resent": counts.resent}  # fmt: skip
        for name, number in numbers.items():
            self._counters[name].inc(number)
        self._seconds.observe(seconds)
        self._size.set(size)

    def lag(self, lag: Mapping[tuple[str, int], int]) -> None:
        """Set the lag of each partition of this instance."""
        self._lag.clear()
        for (topic, partition), number in lag.items():
            self._lag.labels(topic, str(partition)).set(number)


@contextmanager
def served(metrics: Metrics, host: str, port: int) -> Iterator[int]:
    """Answer at an address in the background; yields the port. Raises LedgerError if it is taken."""
    try:
        server = ThreadingHTTPServer((host, port), handler(metrics))
    except OSError as error:
        raise LedgerError(f"{host}:{port}: {error.strerror}", "Give another --host or --port.") from error
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True, name="metrics")
    thread.start()
    log.info("http://%s:%d/metrics", host, server.server_port)
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def handler(metrics: Metrics) -> type[BaseHTTPRequestHandler]:
    """Return the class that answers requests."""
    from prometheus_client import generate_latest

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            if self.path == "/metrics":
                self.answer(200, generate_latest(metrics.registry), "text/plain; version=0.0.4; charset=utf-8")
            elif self.path == "/readyz":
                self.answer(200 if metrics.reads else 503, b"ready\n" if metrics.reads else b"not ready\n")
            elif self.path == "/healthz":
                self.answer(200, b"alive\n")
            else:
                self.answer(404, b"there is /metrics, /readyz and /healthz\n")

        def answer(self, status: int, content: bytes, kind: str = "text/plain") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Log nothing: Prometheus asks all the time."""

    return Handler
