"""Benchmark of the ledger: from CSV files over a broker to the journal, beside a plain loop and COPY.

    python -m benchmarks.ledger [--events N] [--instances N] [--plain N]

Starts a private broker and a private PostgreSQL; needs the same programs as the tests. The plain loop is in the manner
of the older service: each message is a transaction that looks at the journal, inserts a row and changes the amount.
COPY writes the same rows of the journal, and nothing else. Memory is the largest of the importer and of an instance,
after a tenth of the events and at the end.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import psycopg
import sqlalchemy as sa
from confluent_kafka import Consumer, Producer, TopicPartition

from lurge.config.database import DatabaseConfig
from lurge.model.event import Event
from lurge.source.events.csv_lines import read_header, read_lines
from lurge.source.events.messages import json_of, key_of, parse_message
from lurge.source.synth.events import make_events
from lurge.store.database import Database
from lurge.store.database.upgrade import upgrade
from lurge.store.ledger import schema
from lurge.store.ledger.area import LEDGER
from tests.services.kafka import CLIENT, Broker
from tests.services.postgresql import PostgreSql

TOPIC = "plain"


def run(config: Path, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "lurge", "ledger", *arguments, "--quiet", "--config", str(config)]
    return subprocess.Popen(command)


def memory(process: subprocess.Popen[bytes]) -> float:
    """The largest memory of a process so far, in MiB."""
    try:
        text = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in text.splitlines() if line.startswith("VmHWM")), 0.0)


def counts(database: Database) -> tuple[int, int, int]:
    """Events that have their fate, those that were applied, and those that wait."""
    row, out = schema.tallies.c, schema.outbox
    with database.reading() as connection:
        sums = connection.execute(
            sa.select(*(sa.func.coalesce(sa.func.sum(one), 0) for one in (row.seen, row.applied)))
        ).one()
        waiting = connection.execute(
            sa.select(sa.func.count()).select_from(out).where(out.c.done_at.is_(None), out.c.kind != "error")
        ).scalar_one()
    return int(sums[0]), int(sums[1]), int(waiting)


def time_chain(folder: Path, broker: Broker, url: str, instances: int, expected: int) -> None:
    """Time importer and service together, from the first line to the last row of the journal."""
    config = folder / "lurge.toml"
    config.write_text(
        f'[ledger]\nbroker = "{broker.address}"\nfirst_pause = 0.2\nlongest_pause = 2\n{CLIENT}'
        f'[ledger.database]\nurl = "{url}"\n'
    )
    database = Database(DatabaseConfig(url=url))
    upgrade(database, LEDGER)
    services = [run(config, "serve") for _ in range(instances)]
    positions = sa.select(sa.func.count()).select_from(schema.positions)
    while True:
        with database.reading() as connection:
            if connection.execute(positions).scalar_one() == 8:
                break
        time.sleep(0.1)
    time.sleep(2)
    began = time.monotonic()
    importer = run(config, "import", str(folder / "incoming"))
    imported = early = 0.0
    largest = 0.0
    while True:
        seen, applied, waiting = counts(database)
        largest = max(largest, memory(importer))
        if not early and seen > expected / 10:
            early = max(map(memory, services))
        if importer.poll() is not None and not imported:
            imported = time.monotonic() - began
        if seen >= expected and not waiting:
            break
        time.sleep(0.1)
    seconds = time.monotonic() - began
    late = max(map(memory, services))
    for service in services:
        service.send_signal(signal.SIGTERM)
        service.wait()
    print(f"| {instances} | {seconds:.1f} s | {expected / seconds:,.0f} | {imported:.1f} s | {largest:.0f} MiB |"
          f" {early:.0f}, {late:.0f} MiB |", flush=True)  # fmt: skip
    assert applied > 0.98 * expected
    database.close()


def events_of(folder: Path, most: int) -> list[Event]:
    """The first events of the files."""
    found: list[Event] = []
    for path in sorted((folder / "incoming" / "done").glob("*.csv")):
        with path.open("rb") as file:
            found += [line.event for line in read_lines(file, read_header(file), 2) if isinstance(line.event, Event)]
        if len(found) >= most:
            break
    return found[:most]


def time_plain_loop(broker: Broker, server: PostgreSql, events: list[Event]) -> float:
    """Time a transaction an event; returns events a second."""
    database = Database(DatabaseConfig(url=server.new_database("ledger_plain")))
    upgrade(database, LEDGER)
    database.close()
    producer = Producer({"bootstrap.servers": broker.address})
    for event in events:
        producer.produce(TOPIC, json_of(event), key_of(event), partition=0)
        producer.poll(0)
    producer.flush()
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": "plain", "enable.auto.commit": False})
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    began = time.monotonic()
    with psycopg.connect(f"host={server.folder} port={server.port} user=postgres dbname=ledger_plain") as connection:
        for _ in events:
            while (message := consumer.poll(1.0)) is None:
                continue
            event = parse_message(message.value())
            assert isinstance(event, Event)
            sign = 1 if event.event_type == "incoming" else -1
            connection.execute("insert into stores values (%s) on conflict do nothing", (event.store,))
            added = connection.execute(
                "insert into transactions (transaction_id, event, timestamp, store_number, item_number, amount,"
                " applied_at, balance) values (%s, %s, %s, %s, %s, %s, now(), 0) on conflict do nothing",
                event[:6],
            )
            if added.rowcount:
                connection.execute(
                    "insert into items (item_id, store_id, amount) values (%s, %s, greatest(%s, 0))"
                    " on conflict (store_id, item_id) do update set amount = greatest(items.amount + %s, 0)",
                    (event.item, event.store, sign * event.value, sign * event.value),
                )
            connection.commit()
            consumer.commit(message, asynchronous=True)
    seconds = time.monotonic() - began
    consumer.close()
    return len(events) / seconds


def time_copy(server: PostgreSql, events: list[Event]) -> float:
    """Time COPY of the journal's rows; returns events a second."""
    database = Database(DatabaseConfig(url=server.new_database("ledger_copy")))
    upgrade(database, LEDGER)
    database.close()
    text = "".join("\t".join(map(str, event[:6])) + "\tnow\t0\n" for event in {one[0]: one for one in events}.values())
    began = time.monotonic()
    with psycopg.connect(f"host={server.folder} port={server.port} user=postgres dbname=ledger_copy") as connection:
        columns = "transaction_id, event, timestamp, store_number, item_number, amount, applied_at, balance"
        with connection.cursor().copy(f"copy transactions ({columns}) from stdin") as copy:
            copy.write(text)
        connection.commit()
    return len(events) / (time.monotonic() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--instances", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--plain", type=int, default=20_000, help="events of the plain loop")
    options = parser.parse_args()
    server = PostgreSql()
    try:
        print(
            f"{options.events:,} events\n\n| services | time | events/s | importing | importer | service: early, late |"
        )
        print("|--:|--:|--:|--:|--:|--:|")
        for instances in options.instances:
            broker = Broker()
            with tempfile.TemporaryDirectory(prefix="lurge-bench-") as folder:
                for _ in make_events(Path(folder), options.events, date(2024, 1, 1), 1):
                    pass
                time_chain(Path(folder), broker, server.new_database("ledger_bench"), instances, expected_of(folder))
                events = events_of(Path(folder), options.events)
            broker.remove()
        broker = Broker()
        print(f"\na transaction an event: {time_plain_loop(broker, server, events[: options.plain]):,.0f} events/s")
        broker.remove()
        print(f"COPY of the journal alone: {time_copy(server, events):,.0f} events/s")
    finally:
        server.remove()


def expected_of(folder: str) -> int:
    """The number of valid lines."""
    total = 0
    for path in Path(folder, "incoming").glob("*.csv"):
        with path.open("rb") as file:
            total += sum(isinstance(line.event, Event) for line in read_lines(file, read_header(file), 2))
    return total


if __name__ == "__main__":
    main()
