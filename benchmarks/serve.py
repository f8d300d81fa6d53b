"""Benchmark of the pages: a database of many months, a tree index of millions of directories, and the real server.

    python -m benchmarks.serve [--directories N] [--tree N] [--days N] [--requests N] [--clients N] [--mariadb]
        [--folder FOLDER]

Measures the time until the server accepts connections, the first page, each page with different parameters one request
after the other, and all pages asked for by many clients at once. The time of a request is that of its client, on the
same machine. CPU is the mean processor time of the server for a request, which other programs disturb less. Half of the
directories of the tree lie side by side in their base directory, half in three more levels.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.stored import Size, Stored
from benchmarks.visits import PAGES, Visits, nested
from benchmarks.wide import make_world
from lurge.config.database import DatabaseConfig
from lurge.pipeline.report import REPORT
from lurge.store.database import Database
from lurge.tickets import JobTracker
from tests.services.mariadb import MariaDb

CONFIGURATION = """
[database]
url = "{url}"
[reports]
directory = "out"
[tree]
directory = "tree/out/tree"
"""
JOBS = 300
GOALS = "Goals: start 2 s, first page 300 ms, 95th percentile 100 ms, of tree pages 50 ms; no error"


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def make_tree(folder: Path, directories: int) -> None:
    """Build the tree index of the first volume, unless it is there."""
    if any((folder / "out" / "tree").glob("*/*/manifest.json")):
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    started = time.monotonic()
    make_world(folder, directories, 2, nested)
    subprocess.run([sys.executable, "-m", "lurge", "report", "-c", str(folder / "lurge.toml"), "--quiet"], check=True)
    print(f"made a tree of {directories:,} directories in {time.monotonic() - started:.0f} s", flush=True)


def make_tickets(folder: Path) -> None:
    """Leave tickets of jobs that ended."""
    if folder.is_dir():
        return
    tracker = JobTracker(folder, None, {REPORT.name: REPORT.steps})
    for _ in range(JOBS):
        ticket = tracker.init_tracker_file(REPORT.name, {"volumes": {"scratch101": {"state": "stored"}}})
        for _ in REPORT.steps:
            tracker.begin_step(ticket["job_ticket_id"])
            tracker.finish_step(ticket["job_ticket_id"])


def fill(stored: Stored, url: str) -> None:
    """Fill a database, unless it is there."""
    database = Database(DatabaseConfig(url=url))
    started = time.monotonic()
    stored.fill(database)
    database.close()
    print(f"filled the database in {time.monotonic() - started:.0f} s", flush=True)


class Server:
    """A running server. seconds: from its start until it accepted a connection."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        started = time.monotonic()
        command = [sys.executable, "-m", "lurge", "serve", "-c", "lurge.toml", "--port", str(self.port), "--quiet"]
        self._process = subprocess.Popen(command, cwd=folder, env={**os.environ, "PYTHONPATH": os.getcwd()})  # noqa: PTH109
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                break
            except ConnectionRefusedError:
                if self._process.poll() is not None:
                    raise
                time.sleep(0.005)
        self.seconds = time.monotonic() - started

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def peak_mib(self) -> int:
        """The peak of its memory so far."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) >> 10 for line in lines if line.startswith("VmHWM"))

    def cpu_seconds(self) -> float:
        """The processor time that it used so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


def ask(connection: http.client.HTTPConnection, address: str) -> tuple[float, int, int]:
    """Ask for a page; returns (seconds, status, bytes). A status of 0: no answer."""
    started = time.perf_counter()
    try:
        connection.request("GET", address)
        answer = connection.getresponse()
        length = len(answer.read())
    except (OSError, http.client.HTTPException):
        connection.close()
        return time.perf_counter() - started, 0, 0
    return time.perf_counter() - started, answer.status, length


class Times:
    """The times of requests by page, and the addresses that were not answered as they should be."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {name: [] for name in PAGES}
        self.lengths: dict[str, int] = dict.fromkeys(PAGES, 0)
        self.cpu: dict[str, float] = dict.fromkeys(PAGES, 0.0)
        self.errors: list[str] = []

    def add(self, name: str, address: str, answer: tuple[float, int, int]) -> None:
        seconds, status, length = answer
        self.seconds[name].append(seconds)
        self.lengths[name] = max(self.lengths[name], length)
        if status != 200:
            self.errors.append(f"{status} {address}")

    def percentile(self, name: str, part: float) -> float:
        """In ms."""
        listed = sorted(self.seconds[name])
        return 1000 * listed[min(int(part * len(listed)), len(listed) - 1)]


def one_after_the_other(server: Server, visits: Visits, requests: int) -> Times:
    times, connection = Times(), server.connect()
    for name in PAGES:
        before = server.cpu_seconds()
        for address in itertools.islice(visits.of(name), requests):
            times.add(name, address, ask(connection, address))
        times.cpu[name] = (server.cpu_seconds() - before) / requests
    return times


def at_once(server: Server, visits: Visits, requests: int, clients: int) -> tuple[Times, float]:
    """Let many clients ask for all pages in any order; returns their times, and the requests a second."""
    wanted = [(name, address) for name in PAGES for address in itertools.islice(visits.of(name), requests)]
    random.Random(1).shuffle(wanted)  # noqa: S311
    times, queue, lock = Times(), iter(wanted), threading.Lock()

    def client() -> None:
        connection = server.connect()
        while True:
            with lock:
                name, address = next(queue, ("", ""))
            if not name:
                return
            answer = ask(connection, address)
            with lock:
                times.add(name, address, answer)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, len(wanted) / (time.monotonic() - started)


def measure(folder: Path, visits: Visits, requests: int, clients: int) -> None:
    """Start the server, measure, and print."""
    server = Server(folder)
    try:
        first, status, _ = ask(server.connect(), "/")
        print(f"start {server.seconds:.2f} s, first page {1000 * first:.0f} ms ({status})")
        alone = one_after_the_other(server, visits, requests)
        peak = server.peak_mib()
        together, rate = at_once(server, visits, requests, clients)
        print(f"peak {peak:,} MiB one after the other, {server.peak_mib():,} MiB with {clients} clients")
        print(f"{rate:.0f} requests/s with {clients} clients; errors: {len(alone.errors)}, {len(together.errors)}")
        for error in dict.fromkeys([*alone.errors[:5], *together.errors[:5]]):
            print(f"    {error}")
        print(f"{GOALS}\n")
        print(f"| page | KiB | CPU ms | median | 95 % | longest | {clients} clients: median | 95 % |")
        print("|---|--:|--:|--:|--:|--:|--:|--:|")
        for name in PAGES:
            row = [1000 * alone.cpu[name], *(alone.percentile(name, part) for part in (0.5, 0.95, 1))]
            row += [together.percentile(name, part) for part in (0.5, 0.95)]
            print(f"| {name} | {alone.lengths[name] >> 10} | {' | '.join(f'{value:,.0f}' for value in row)} |")
    finally:
        server.stop()


@contextmanager
def database_url(folder: Path, on_mariadb: bool) -> Iterator[str]:
    """The URL of a database; that of a private server ends with it."""
    if not on_mariadb:
        yield f"sqlite:///{folder}/lurge.db"
        return
    server = MariaDb()
    try:
        yield server.new_database("bench")
    finally:
        server.remove()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serve")
    parser.add_argument("--directories", type=int, default=2_000_000, help="rows of the directory report")
    parser.add_argument("--tree", type=int, default=5_000_000, help="directories of the tree index")
    parser.add_argument("--days", type=int, default=240, help="days of history")
    parser.add_argument("--requests", type=int, default=40, help="requests of each page")
    parser.add_argument("--clients", type=int, default=50, help="clients at once")
    parser.add_argument("--mariadb", action="store_true", help="with a private MariaDB server instead of SQLite")
    parser.add_argument("--folder", type=Path, help="folder to keep the tree and a SQLite database for other runs")
    options = parser.parse_args()
    stored = Stored(Size(directories=options.directories, days=options.days))
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).absolute()
        make_tree(folder / "tree", options.tree)
        make_tickets(folder / "out" / "tickets")
        with database_url(folder, options.mariadb) as url:
            if options.mariadb or not (folder / "lurge.db").exists():
                fill(stored, url)
            (folder / "lurge.toml").write_text(CONFIGURATION.format(url=url))
            measure(folder, Visits(stored, options.tree), options.requests, options.clients)


if __name__ == "__main__":
    main()
