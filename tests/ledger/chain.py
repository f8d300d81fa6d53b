"""The chain from files to amounts, whose parts are killed and started again."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lurge.config import load_config
from lurge.errors import StoreError
from lurge.pipeline.ledger.database import ledger_database
from lurge.store.ledger import schema
from lurge.store.ledger.check import LedgerState, check
from lurge.store.ledger.read import positions
from tests.ledger.events import HEADER, Model
from tests.services.kafka import CLIENT, Broker
from tests.services.postgresql import PostgreSql

INSTANCES = 3
SECONDS_TO_END = 60


class Chain:
    """Importer and instances of the service, as processes."""

    def __init__(self, folder: Path, broker: Broker, server: PostgreSql, seed: int, database: str) -> None:
        self.folder, self.broker, self.server = folder, broker, server
        self.random = random.Random(seed)
        self.model = Model(random.Random(seed + 1))
        self.incoming = folder / "incoming"
        self.incoming.mkdir(parents=True)
        self.config = folder / "lurge.toml"
        self.config.write_text(
            f'[ledger]\nbroker = "{broker.address}"\nretries = 12\nfirst_pause = 0.1\nlongest_pause = 2\n'
            f"settle_seconds = 0.5\n{CLIENT}"
            f'[ledger.database]\nurl = "{server.new_database(database)}"\nretry_seconds = 5\n'
        )
        self.database = ledger_database(load_config(self.config))
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._files = 0
        self.checks = 0
        self._done = threading.Event()
        self._wrong: list[str] = []
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    # Processes.

    def start(self) -> None:
        """Start everything."""
        self._processes["importer"] = self._run("import", "--watch", str(self.incoming))
        for number in range(INSTANCES):
            self._processes[f"service {number}"] = self._run("serve")
        self._watcher.start()

    def _run(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", "lurge", "ledger", *arguments, "-c", str(self.config)]
        with (self.folder / "log").open("ab") as log:
            environment = {**os.environ, "PYTHONFAULTHANDLER": "1"}
            return subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, env=environment)

    def kill_one(self) -> str:
        """Kill a process at random, and start it again; returns its name."""
        name = self.random.choice(sorted(self._processes))
        process = self._processes[name]
        assert process.poll() is None, f"{name}: {process.returncode}\n{(self.folder / 'log').read_text()[-5000:]}"
        process.send_signal(signal.SIGKILL)
        process.wait()
        arguments = ("import", "--watch", str(self.incoming)) if name == "importer" else ("serve",)
        self._processes[name] = self._run(*arguments)
        return name

    def restart_broker(self) -> None:
        """Restart the broker. This one, if it is killed, may forget what it has acknowledged."""
        self.broker.stop()
        time.sleep(0.5)
        self.broker.start()

    def restart_database(self) -> None:
        self.server.kill()
        self.server.start()

    def feed(self, count: int) -> None:
        """Put a file of events where the importer looks, whole."""
        self._files += 1
        path = self.incoming / f"events-{self._files:04}.csv"
        beside = self.folder / path.name
        beside.write_text("\n".join([HEADER, *self.model.lines(count)]) + "\n")
        beside.rename(path)

    # What is seen meanwhile.

    def _watch(self) -> None:
        """Look all the time whether something is wrong, in one state of the database each time."""
        while not self._done.wait(0.05):
            try:
                state = self.state()
            except StoreError:
                self.database.close()
                continue
            if state.items:
                self.checks += 1
            self._wrong += state.problems

    def state(self) -> LedgerState:
        with self.database.reading() as connection:
            return check(connection)

    def wait(self, is_reached: Callable[[LedgerState], bool], seconds: float = SECONDS_TO_END) -> LedgerState:
        """Wait until the ledger is in a state."""
        ends = time.monotonic() + seconds
        last: Any = None
        while time.monotonic() < ends:
            try:
                last = self.state()
                if is_reached(last):
                    return last
            except StoreError:
                self.database.close()
            time.sleep(0.2)
        with self.database.reading() as connection:
            partitions = [str(row) for row in positions(connection)]
            left = connection.execute(schema.outbox.select().where(schema.outbox.c.done_at.is_(None))).all()
        lines = [str(last), *partitions, *(str(row) for row in left[:5]), (self.folder / "log").read_text()[-5000:]]
        raise AssertionError("\n".join(lines))

    def drained(self) -> LedgerState:
        """Wait until every event has its fate."""
        expected = len(self.model.applied) + self.model.duplicates + self.model.failing + self.model.invalid
        return self.wait(lambda state: state.events == expected and not state.waiting)

    def compare(self, state: LedgerState) -> None:
        """Compare everything with the model."""
        assert not self._wrong, self._wrong[:10]
        assert not state.problems, state.problems
        with self.database.reading() as connection:
            amounts = {(row.store_id, row.item_id): row.amount for row in connection.execute(schema.items.select())}
            journal = {
                row.transaction_id: (row.event, row.store_number, row.item_number, row.amount)
                for row in connection.execute(schema.transactions.select())
            }
        assert journal == self.model.applied
        assert amounts == dict(self.model.amounts)
        assert state.duplicates == self.model.duplicates
        assert state.errors == self.model.failing + self.model.invalid

    def stop(self) -> list[int]:
        """Stop everything in order; returns the exit statuses."""
        self._done.set()
        for process in self._processes.values():
            process.send_signal(signal.SIGTERM)
        return [process.wait(10) for process in self._processes.values()]

    def end(self) -> None:
        """End everything at once."""
        self._done.set()
        for process in self._processes.values():
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
        self.database.close()
