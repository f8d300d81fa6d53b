"""Importer, broker and service as processes: nothing is lost, nothing taken twice, whoever dies."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import pytest
import sqlalchemy as sa

from lurge.config import load_config
from lurge.pipeline.ledger.database import ledger_database
from lurge.store.database import Database
from lurge.store.ledger import read, schema
from lurge.store.ledger.check import LedgerState, check
from tests.integration.test_commands import example
from tests.ledger.chain import Chain
from tests.ledger.events import HEADER, as_json
from tests.processes import hang
from tests.services import free_port, kafka, need
from tests.services.kafka import CLIENT, Broker
from tests.services.postgresql import PostgreSql

KILLS = 8
SECONDS = 60


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    need(kafka.missing())
    running = Broker()
    yield running
    running.remove()


class Service:
    """The ledger of one test: its topics, database and processes."""

    def __init__(self, folder: Path, broker: Broker, url: str) -> None:
        self.folder, self.broker, self.url = folder, broker, url
        self.name = f"t{uuid.uuid4().hex[:8]}"
        self.port = free_port()
        self.config = folder / "lurge.toml"
        self.configure()
        self.incoming = folder / "incoming"
        self.incoming.mkdir()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._database: Database | None = None

    def configure(self, extra: str = "", broker: str | None = None) -> None:
        self.config.write_text(
            f'[ledger]\nbroker = "{broker or self.broker.address}"\nevents_topic = "{self.name}"\n'
            f'errors_topic = "{self.name}-errors"\ngroup = "{self.name}"\nfirst_pause = 0.1\nlongest_pause = 0.4\n'
            f'settle_seconds = 0.3\npartitions = 2\n{extra}\n{CLIENT}[ledger.database]\nurl = "{self.url}"\n'
        )

    @property
    def database(self) -> Database:
        if self._database is None:
            self._database = ledger_database(load_config(self.config))
        return self._database

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-P", "-m", "lurge", "ledger", *arguments, "--config", str(self.config)]

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a process of the ledger."""
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(self.command(*arguments), stdout=log, stderr=log, cwd=self.folder)
        self._processes.append(process)
        return process

    def run(self, *arguments: str, status: int = 0) -> str:
        """Run a command to its end; returns its result."""
        return self._done(status, arguments).stdout

    def run_failing(self, *arguments: str) -> str:
        """Run a command that fails; returns all that it says."""
        done = self._done(1, arguments)
        return done.stdout + done.stderr

    def _done(self, status: int, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*arguments), capture_output=True, text=True, cwd=self.folder, timeout=SECONDS, check=False
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def put(self, name: str, *lines: str) -> Path:
        """Put a file where the importer looks, whole."""
        beside = self.folder / name
        beside.write_text("\n".join([HEADER, *lines]) + "\n")
        return beside.rename(self.incoming / name)

    def send(self, *values: bytes | None, topic: str | None = None, headers: Any = None) -> None:
        """Send messages as another program would."""
        from confluent_kafka import Producer

        producer = Producer({"bootstrap.servers": self.broker.address})
        for value in values:
            producer.produce(topic or self.name, value, b"1:1", headers=headers)
        assert producer.flush(30) == 0

    def received(self, topic: str, number: int) -> list[Any]:
        """Read some messages of a topic from its beginning."""
        from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

        consumer = Consumer({"bootstrap.servers": self.broker.address, "group.id": uuid.uuid4().hex})
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(2)])
        found: list[Any] = []
        ends = time.monotonic() + SECONDS
        while len(found) < number and time.monotonic() < ends:
            found += [message for message in consumer.consume(100, 0.2) if not message.error()]
        consumer.close()
        return found

    def wait(self, is_reached: Callable[[LedgerState], bool]) -> LedgerState:
        """Wait until the ledger is in a state in which everything adds up."""
        ends = time.monotonic() + SECONDS
        state = None
        while time.monotonic() < ends:
            with self.database.reading() as connection:
                if read.has_ledger(connection):
                    state = check(connection)
                    assert state.problems == []
                    if is_reached(state):
                        return state
            time.sleep(0.1)
        raise AssertionError(f"{state}\n{self.log}")

    def ask(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def ready(self) -> None:
        """Wait until the instance with the port reads its partitions."""
        ends = time.monotonic() + SECONDS
        while self.ask("/readyz")[0] != 200:
            assert time.monotonic() < ends, self.log
            time.sleep(0.05)

    def amounts(self) -> dict[tuple[int, int], int]:
        with self.database.reading() as connection:
            return {(row.store, row.item): row.amount for row in read.amounts(connection, read.ItemFilter())}

    def end(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
                process.wait()
        if self._database:
            self._database.close()


@pytest.fixture
def service(tmp_path: Path, broker: Broker, postgres: PostgreSql) -> Iterator[Service]:
    made = Service(tmp_path, broker, postgres.new_database("ledger_chain"))
    made.database.dialect.make()
    yield made
    made.end()


def line(number: int, kind: str = "incoming", value: object = 10, store: int = 5, item: int = 12) -> str:
    return f"{uuid.UUID(int=number)},{kind},2019-04-14T03:47:13Z,{store},{item},{value}"


def test_processes_and_servers_that_die_change_nothing(
    tmp_path: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The short form of `make kills`."""
    need(kafka.missing())
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="kafka")
    seed = random.SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    server, storing = PostgreSql(), Broker((endpoint, "kafka"))
    chain = Chain(tmp_path / "chain", storing, server, seed, "ledger_kills")
    try:
        chain.start()
        for number in range(KILLS):
            chain.feed(150)
            time.sleep(chain.random.uniform(0.2, 1.5))
            chain.kill_one()
            if number == 2:
                chain.restart_broker()
            if number == 4:
                chain.restart_database()
        chain.compare(chain.drained())
        assert chain.checks > 10
        assert chain.stop() == [0] * 4
    finally:
        chain.end()
        storing.remove()
        server.remove()


def test_from_a_file_to_an_amount_and_back_to_the_topics(service: Service) -> None:
    service.put("a.csv", line(1), line(2, "sale", 4), line(1), line(1, value=11), line(3, "sale", 100), "x,y")
    assert "5 events, 1 line rejected" in service.run("import", str(service.incoming), status=3)
    assert [path.name for path in sorted(service.incoming.iterdir())] == ["a.rejects.csv", "done"]
    assert (service.incoming / "done" / "a.csv").exists()
    process = service.start("serve", "--port", str(service.port))
    state = service.wait(lambda state: state.applied == 2 and not state.waiting)
    assert (state.events, state.duplicates, state.errors) == (6, 1, 3)
    assert service.amounts() == {(5, 12): 6}
    ends = time.monotonic() + SECONDS
    while "lurge_ledger_rejected_total 2.0" not in service.ask("/metrics")[1]:
        assert time.monotonic() < ends
        time.sleep(0.1)
    status, text = service.ask("/metrics")
    assert status == 200
    for expected in ("lurge_ledger_applied_total 2.0", "lurge_ledger_duplicates_total 1.0",
                     "lurge_ledger_retried_total 3.0", f'lurge_ledger_lag{{partition="0",topic="{service.name}"}} 0.0',
                     "lurge_ledger_batch_seconds_count", "lurge_ledger_ready 1.0"):  # fmt: skip
        assert expected in text
    assert service.ask("/healthz")[0] == 200
    assert service.ask("/other")[0] == 404
    errors = [json.loads(message.value()) for message in service.received(f"{service.name}-errors", 3)]
    assert sorted((error["kind"], error.get("attempt")) for error in errors) == [
        ("beyond amount", 3), ("conflict", 0), ("invalid", 0),
    ]  # fmt: skip
    (invalid,) = [error for error in errors if error["kind"] == "invalid"]
    assert (invalid["file"], invalid["line"], invalid["input"]) == (str(service.incoming / "a.csv"), 7, "x,y")
    retried = service.received(f"{service.name}-retry", 3)
    headers = [dict(message.headers()) for message in retried]
    assert [header["attempt"] for header in headers] == [b"1", b"2", b"3"]
    assert all(int(header["not-before"]) > 1.7e12 for header in headers)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert time.monotonic() - began < 5
    assert "stopped: 2 events applied, 1 duplicate, 3 retried, 2 errors" in service.log


def test_examples_work(service: Service) -> None:
    """Those of the commands that need a broker."""
    service.put("a.csv", line(1))
    for command in ("import", "serve"):
        words = [str(service.incoming) if word == "/data/incoming" else word for word in example(f"ledger {command}")]
        service.start(*[str(service.port) if word == "9108" else word for word in words[1:]])
    service.wait(lambda state: state.applied == 1)
    service.ready()


def test_a_message_that_is_no_event_never_stops_the_rest(service: Service) -> None:
    service.run("import", str(service.incoming))
    service.start("serve", "--port", str(service.port))
    good = as_json(line(1))
    service.send(None, b"", b"\xff", b"{", b"[" * 50_000, b'{"a": 1}', b"1" * 6000, good.replace(b"10", b"-10"), good)
    headers = [("attempt", b"x"), ("lurge-file", b"a\0" * 16), ("lurge-token", b"?"), ("lurge-line", b"9" * 400)]
    service.send(b"\xff\0" * 200_000, "\u00e9".encode() * 400_000, as_json(line(2)), headers=headers)
    state = service.wait(lambda state: state.applied == 2)
    assert (state.errors, state.foreign) == (10, 12)
    found = json.loads(service.run("errors", "--json"))
    assert found[-1]["reasons"] == ["the message is empty"]
    assert found[1]["is_base64"]
    messages = service.received(f"{service.name}-errors", 10)
    assert len(messages) == 10
    assert max(len(message.value()) for message in messages) < 600_000
    assert any(json.loads(message.value()).get("input_is_cut") for message in messages)


def test_attempts_survive_restarts_and_a_sale_succeeds_once_its_stock_is_there(service: Service) -> None:
    service.configure("retries = 100")
    service.put("a.csv", line(1, "sale", 7), line(2, "sale", 1, 6))
    service.run("import", str(service.incoming))
    first = service.start("serve")
    service.wait(lambda state: state.retrying == 2)
    rows = sa.select(schema.outbox.c.attempt).order_by(schema.outbox.c.id)

    def attempts() -> list[int]:
        with service.database.reading() as connection:
            return list(connection.execute(rows).scalars())

    ends = time.monotonic() + SECONDS
    while min(attempts()) < 3:
        assert time.monotonic() < ends
        time.sleep(0.05)
    first.kill()
    first.wait()
    before = attempts()
    service.start("serve")
    service.put("b.csv", line(3, value=9))
    service.run("import", str(service.incoming))
    state = service.wait(lambda state: state.applied == 2)
    assert state.retrying == 1
    assert service.amounts() == {(5, 12): 2}
    after = attempts()
    assert after[0] >= before[0]
    while attempts()[1] <= before[1]:
        assert time.monotonic() < ends
        time.sleep(0.05)


def test_a_replay_succeeds_once(service: Service) -> None:
    service.configure("retries = 0")
    service.put("a.csv", line(1, "sale", 7))
    service.run("import", str(service.incoming))
    service.start("serve")
    service.wait(lambda state: state.errors == 1)
    service.put("b.csv", line(2, value=9))
    service.run("import", str(service.incoming))
    service.wait(lambda state: state.applied == 1)
    assert "1 event sent again" in service.run("replay", "--all")
    service.run("replay", "--all", status=1)
    state = service.wait(lambda state: state.applied == 2 and not state.waiting)
    assert (state.errors, state.replayed) == (0, 1)
    assert service.amounts() == {(5, 12): 2}


def test_a_broker_that_is_away_is_waited_for(service: Service, broker: Broker) -> None:
    service.configure(broker=f"127.0.0.1:{free_port()}")
    service.put("a.csv", line(1))
    importer = service.start("import", "--watch", str(service.incoming))
    instance = service.start("serve", "--port", str(service.port))
    ends = time.monotonic() + SECONDS
    while service.log.count("does not answer: waiting for it") < 2 or service.ask("/healthz")[0] != 200:
        assert time.monotonic() < ends, service.log
        time.sleep(0.1)
    assert service.ask("/readyz")[0] == 503
    for process in (importer, instance):
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - began < 5


def test_a_broker_that_hangs_does_not_delay_the_end(service: Service, broker: Broker) -> None:
    service.run("import", str(service.incoming))
    instance = service.start("serve", "--port", str(service.port))
    service.ready()
    assert broker.process
    hang(broker.process.pid)
    try:
        service.put("a.csv", line(1))
        importer = service.start("import", str(service.incoming))
        time.sleep(2)
        for process, status in ((instance, 0), (importer, 3)):
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == status
            assert time.monotonic() - began < 5
    finally:
        os.kill(broker.process.pid, signal.SIGCONT)
    service.run("import", str(service.incoming))
    service.start("serve")
    service.wait(lambda state: state.applied == 1 and not state.waiting)


def test_a_file_that_somebody_writes_is_left_until_they_close_it(service: Service) -> None:
    service.start("import", "--watch", str(service.incoming))
    path = service.incoming / "slow.csv"
    with path.open("w") as file:
        file.write(f"{HEADER}\n{line(1)}\n{line(2)[:-1]}")
        file.flush()
        service.put("other.csv", line(3))
        service.wait(lambda state: state.events == 1 and not state.unfinished)
        # Longer than a file must rest that nobody has open.
        time.sleep(1)
        assert path.exists()
        file.write(f"0\n{line(4)}\n")
    service.wait(lambda state: state.events == 4)
    service.start("serve")
    service.wait(lambda state: state.applied == 4)
    assert service.amounts() == {(5, 12): 40}


def test_a_file_that_changes_while_it_is_read_is_read_again(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first content, if it comes later, is not taken for known."""
    from lurge.pipeline.ledger import reading
    from lurge.pipeline.ledger.importer import Importer
    from lurge.pipeline.ledger.stopping import Stop

    monkeypatch.setattr(reading, "LINES_AT_ONCE", 2)
    first = [line(number) for number in range(1, 10)]
    path = service.put("a.csv", *first)
    importer = Importer(load_config(service.config), service.database, Stop())
    importer.prepare()
    real, calls = importer._send, count()

    def send(*arguments: Any) -> None:
        real(*arguments)
        if next(calls) == 0:
            path.write_text("\n".join([HEADER, line(50), "bad"]) + "\n")

    monkeypatch.setattr(importer, "_send", send)
    outcome = importer.take(path)
    assert (outcome.sent, outcome.rejected, outcome.failed) == (1, 1, None)
    service.put("again.csv", *first)
    service.run("import", str(service.incoming))
    service.start("serve")
    state = service.wait(lambda state: state.applied == 10 and not state.waiting)
    assert state.duplicates == 2
    assert (service.incoming / "a.rejects.csv").read_text().endswith(',"bad"\n')


def test_one_bad_file_or_directory_does_not_stop_the_others(service: Service) -> None:
    (service.incoming / "a.csv").mkdir()
    (service.incoming / "b.csv").symlink_to("/etc/hostname")
    os.mkfifo(service.incoming / "c.csv")
    service.put("d.csv", line(1))
    service.start("import", "--watch", str(service.folder / "gone"), str(service.incoming))
    service.wait(lambda state: state.events == 1 and not state.unfinished)
    assert "gone: No such file" in service.log
    assert "is a link" in service.run_failing("import", str(service.incoming / "b.csv"))
    assert "is not a file" in service.run_failing("import", str(service.incoming / "c.csv"))
    assert Path("/etc/hostname").exists()


def test_files_are_taken_when_they_are_whole_and_once_by_their_content(service: Service) -> None:
    importer = service.start("import", "--watch", str(service.incoming))
    path = service.incoming / "slow.csv"
    with path.open("w") as file:
        file.write(f"{HEADER}\n{line(1)}\n")
        file.flush()
        time.sleep(0.2)
        file.write(f"{line(2)}\n")
    service.put("same.csv", line(1), line(2))
    done = service.incoming / "done"
    ends = time.monotonic() + SECONDS
    while not (done / "slow.csv").exists() or not (done / "same.csv").exists():
        assert time.monotonic() < ends, service.log
        time.sleep(0.05)
    with service.database.reading() as connection:
        (file_row,) = read.files(connection)
    assert (file_row.sent, file_row.rejected) == (2, 0)
    # The same name again, with another content.
    service.put("same.csv", line(3))
    while not (done / "same.2.csv").exists():
        assert time.monotonic() < ends, service.log
        time.sleep(0.05)
    assert importer.poll() is None
    service.start("serve")
    state = service.wait(lambda state: state.applied == 3)
    assert (state.events, state.duplicates) == (3, 0)


def test_a_topic_that_was_made_anew_is_read_from_its_beginning(service: Service) -> None:
    from confluent_kafka.admin import AdminClient

    service.put("a.csv", line(1), line(2))
    service.run("import", str(service.incoming))
    instance = service.start("serve")
    service.wait(lambda state: state.applied == 2)
    instance.terminate()
    instance.wait()
    admin = AdminClient({"bootstrap.servers": service.broker.address})
    for done in admin.delete_topics([service.name]).values():
        done.result(30)
    service.put("b.csv", line(3))
    service.run("import", str(service.incoming))
    service.start("serve")
    service.wait(lambda state: state.applied == 3)
    assert "was made anew" in service.log


class Stubborn:
    """A consumer that cannot seek, as the library while it begins with a partition."""

    def __init__(self) -> None:
        self.places: list[tuple[str, int, int]] = []

    def consume(self, number: int, seconds: float) -> list[Any]:
        return []

    def get_watermark_offsets(self, place: Any, cached: bool) -> tuple[int, int]:
        return 0, 9

    def seek(self, place: Any) -> None:
        from confluent_kafka import KafkaError, KafkaException

        raise KafkaException(KafkaError(KafkaError._STATE))

    def assign(self, places: list[Any]) -> None:
        self.places = [(place.topic, place.partition, place.offset) for place in places]


def test_a_partition_in_which_nobody_can_seek_is_begun_anew_where_it_is(service: Service) -> None:
    from lurge.pipeline.ledger.metrics import Metrics
    from lurge.pipeline.ledger.service import Service as Instance
    from lurge.pipeline.ledger.stopping import Stop

    service.run("import", str(service.incoming))
    instance = Instance(load_config(service.config), service.database, Stop(), Metrics())
    instance.partitions.next = {("events", 0): 7, ("events", 1): 8}
    consumer = Stubborn()
    instance._go_to(consumer, ("events", 0), 3)  # type: ignore[arg-type]
    instance._step(consumer)  # type: ignore[arg-type]
    assert consumer.places == [("events", 0, 3), ("events", 1, 8)]


def test_a_full_queue_of_a_producer_without_its_broker_ends_in_time(service: Service) -> None:
    """Also if the queue is full of bytes, not of messages."""
    from lurge.pipeline.ledger.broker import Unsent
    from lurge.pipeline.ledger.relay import relay_sender
    from lurge.pipeline.ledger.stopping import Stop, Stopped

    service.configure('[ledger.client]\n"queue.buffering.max.kbytes" = 1000\n', f"127.0.0.1:{free_port()}")
    text = service.config.read_text().replace(CLIENT, "")
    service.config.write_text(text)
    stop = Stop()
    for ends in (Unsent, Stopped):
        sender = relay_sender(load_config(service.config).ledger, stop)
        sender._longest = 1

        def fill(sender: Any = sender) -> None:
            for _ in range(1000):
                sender.put("events", b"", b"x" * 100_000, [])

        with pytest.raises(ends):
            fill()
        stop.ask()


SECOND = """
import sqlalchemy as sa
from alembic import op
revision, down_revision = "0002", "0001"
def upgrade():
    op.add_column("items", sa.Column("note", sa.String(9)))
    op.add_column("outbox", sa.Column("note", sa.String(9)))
    op.add_column("positions", sa.Column("note", sa.String(9)))
"""


def test_the_tables_are_upgraded_while_an_instance_runs(service: Service, tmp_path: Path) -> None:
    """By a newer version, of which another instance is started."""
    import shutil

    from lurge.store.database.area import Area
    from lurge.store.database.lock import sole_run
    from lurge.store.ledger.area import LEDGER

    service.put("a.csv", line(1), line(2, "sale", 50))
    service.run("import", str(service.incoming))
    instance = service.start("serve")
    service.wait(lambda state: state.applied == 1)
    newer = tmp_path / "newer"
    shutil.copytree(LEDGER.migrations, newer)
    (newer / "versions" / "0002_notes.py").write_text(SECOND)
    with sole_run(service.database, Area.named("ledger", LEDGER.metadata, newer), "ledger"):
        pass
    service.send(as_json(line(3, value=60)))
    ends = time.monotonic() + SECONDS
    statement = sa.select(sa.func.count()).select_from(schema.transactions)
    while True:
        with service.database.reading() as connection:
            if connection.execute(statement).scalar_one() >= 2:
                break
        assert time.monotonic() < ends, service.log
        time.sleep(0.1)
    assert instance.poll() is None


def test_settings_of_tls_and_sasl_reach_the_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lurge.pipeline.ledger.broker import client_settings, make_consumer

    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "ca.pem", "-days",
         "2", "-subj", "/CN=kafka"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    (tmp_path / "kafka.txt").write_text("s3cret\n")
    config = tmp_path / "lurge.toml"
    config.write_text(
        '[ledger]\nbroker = "kafka:9093"\nsecurity = "sasl_ssl"\nca_file = "ca.pem"\ncertificate_file = "ca.pem"\n'
        'key_file = "key.pem"\nuser = "lurge"\npassword_file = "kafka.txt"\n'
        '[ledger.client]\n"socket.timeout.ms" = 5000\n'
    )
    ledger = load_config(config).ledger
    settings = client_settings(ledger)
    assert settings["security.protocol"] == "sasl_ssl"
    assert settings["ssl.ca.location"] == str(tmp_path / "ca.pem")
    assert settings["ssl.key.location"] == str(tmp_path / "key.pem")
    assert (settings["sasl.mechanisms"], settings["sasl.username"]) == ("SCRAM-SHA-512", "lurge")
    assert (settings["sasl.password"], settings["socket.timeout.ms"]) == ("s3cret", 5000)
    # The client takes them: it reads certificates and keys when it is made.
    make_consumer(ledger).close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[ledger]\nbroker = "kafka:9092"\n[ledger.client]\n"no.such.setting" = 1', "no.such.setting"),
        ('[ledger]\n[ledger.client]\n"enable.auto.commit" = true', "must not be set"),
        ('[ledger]\n[ledger.client]\n"sasl.password" = "x"', "must not be set"),
        ('[ledger]\npassword = "x"', "a password must not be in the file"),
        ('[ledger]\nsecurity = "sasl_ssl"', 'security is "sasl_ssl"'),
        ('[ledger]\nerrors_topic = "events"', "another topic"),
        ('[ledger]\nevents_topic = "a b"', "events_topic"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "lurge.toml").write_text(text)
    (tmp_path / "in").mkdir()
    done = subprocess.run(
        [sys.executable, "-P", "-m", "lurge", "ledger", "import", "in"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
