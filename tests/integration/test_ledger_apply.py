"""`lurge ledger apply` and the commands that ask, without a broker, on SQLite."""

from __future__ import annotations

import base64
import csv
import json
import os
import random
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from lurge.config import load_config
from lurge.errors import OutputError
from lurge.pipeline.ledger.apply import run_apply
from lurge.pipeline.ledger.database import ledger_database
from lurge.pipeline.ledger.reading import LINES_AT_ONCE
from lurge.pipeline.ledger.stopping import Stop
from lurge.store.ledger.check import check
from tests.integration.test_commands import example
from tests.ledger.events import HEADER, Model
from tests.processes import die_before, was_killed
from tests.site import run_lurge

FIRST = "8947695b-7f19-44b6-96b6-7f8ed041fe57"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lurge(*arguments: str, status: int = 0) -> str:
    done = run_lurge("ledger", *arguments)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + (done.stderr if status not in (0, 3) else "")


def write(name: str, lines: Iterable[str], header: str = HEADER) -> Path:
    path = Path(name)
    path.write_text("".join(f"{line}\n" for line in (header, *lines)))
    return path


def line(number: int, kind: str = "incoming", value: object = 10, store: object = 5, item: object = 12) -> str:
    return f"{uuid.UUID(int=number)},{kind},2019-04-14T03:47:13Z,{store},{item},{value}"


def rows(statement: str) -> list[Any]:
    with sqlite3.connect("out/lurge.db") as connection:
        return connection.execute(statement).fetchall()


def test_the_example_of_the_specification() -> None:
    write("events.csv", [f"{FIRST},incoming,2019-04-14T03:47:13Z,5,12,400"])
    assert lurge("apply", "events.csv").splitlines() == [
        "events.csv: 1 event", "1 event applied, 0 duplicates, 0 retried, 0 errors",
    ]  # fmt: skip
    assert json.loads(lurge("show", "--json")) == [{"store": 5, "item": 12, "amount": 400}]
    assert lurge("show", "--csv", "--store", "5") == "store,item,amount\n5,12,400\n"
    assert lurge("show", "--csv", "--below", "400") == "store,item,amount\n"
    assert rows("select * from stores") == [(5,)]
    assert rows("select item_id, store_id, amount from items") == [(12, 5, 400)]
    (journal,) = rows(
        "select transaction_id, event, timestamp, store_number, item_number, amount, topic from transactions"
    )
    assert journal == (FIRST, "incoming", "2019-04-14 03:47:13", 5, 12, 400, None)
    assert "every amount equals" in lurge("check")


def test_sales_that_come_before_their_stock_and_those_that_never_can() -> None:
    write("a.csv", [line(1, "sale", 4), line(2, "sale", 100), line(3), line(4, "sale", 1, 6)])
    write("b.csv", [line(5, value=20, item=13), line(1, "sale", 4)])
    found = json.loads(lurge("apply", "a.csv", "b.csv", "--json", status=3))
    assert (found["applied"], found["duplicates"], found["errors"]) == (3, 1, 2)
    assert json.loads(lurge("show", "--json")) == [
        {"store": 5, "item": 12, "amount": 6}, {"store": 5, "item": 13, "amount": 20},
    ]  # fmt: skip
    errors = json.loads(lurge("errors", "--json"))
    assert [(error["kind"], error["file"], error["line"], error["reasons"]) for error in errors] == [
        ("unknown item", "a.csv", 5, ["item 12 of store 6 is unknown"]),
        ("beyond amount", "a.csv", 3, ["item 12 of store 5 has 6, less than 100"]),
    ]
    # Its stock comes later, and the sale is sent again.
    write("c.csv", [line(6, value=1000)])
    lurge("apply", "c.csv")
    assert "1 event applied" in lurge("replay", "--kind", "beyond amount")
    assert json.loads(lurge("show", "--json", "--item", "12"))[0]["amount"] == 906
    assert "nothing" not in lurge("check")
    assert "no error is like that" in lurge("replay", "--kind", "beyond amount", status=1)
    assert len(json.loads(lurge("errors", "--json"))) == 1
    assert len(json.loads(lurge("errors", "--json", "--all"))) == 2
    assert lurge("errors", "--csv", "--file", "a.csv").count("\n") == 2
    assert json.loads(lurge("errors", "--json", "--since", "2100-01-01")) == []
    lurge("replay", status=2)


def test_a_file_is_applied_once_by_its_content() -> None:
    path = write("a.csv", [line(1), line(2)])
    lurge("apply", "a.csv")
    path.rename("b.csv")
    assert "known before" in lurge("apply", "b.csv")
    write("c.csv", [line(1), line(2), line(3)])
    found = json.loads(lurge("apply", "c.csv", "--json"))
    assert (found["applied"], found["duplicates"]) == (1, 2)
    lurge("check")


def test_bad_lines_are_kept_with_every_reason_and_never_stop_the_rest() -> None:
    huge = "x" * 200_000
    bad = [
        "-,theft,yesterday,-1,1.5,0", "", f'"{FIRST},incoming', line(1).replace("incoming", "incoming,"), huge,
        f"{FIRST},incoming,2019-04-14T03:47:13Z,5,12,{2**63}", "\0", line(2).replace("5,12", "5, 12"),
    ]  # fmt: skip
    path = Path("a.csv")
    text = "\n".join([HEADER, *bad, line(3)]).encode()
    path.write_bytes(text + b"\n\xff\xfe,\n" + line(4).encode())
    found = json.loads(lurge("apply", "a.csv", "--json", status=3))
    assert found["applied"] == 2
    assert found["files"][0]["rejected"] == 8
    errors = json.loads(lurge("errors", "--json"))[::-1]
    assert [error["line"] for error in errors] == [2, 4, 5, 6, 7, 8, 9, 11]
    assert [reason.split()[0] for reason in errors[0]["reasons"]] == HEADER.split(",")
    assert [error["reasons"][0] for error in errors[1:4]] == [
        "the line has malformed quotes: unexpected end of data", "the line has 7 fields instead of 6",
        "the line is longer than 65536 bytes",
    ]  # fmt: skip
    assert errors[3]["input"] == huge
    assert (errors[5]["input"], errors[5]["is_base64"]) == (base64.b64encode(b"\0").decode(), True)
    assert (errors[7]["input"], errors[7]["is_base64"]) == (base64.b64encode(b"\xff\xfe,").decode(), True)
    with open("a.rejects.csv", encoding="utf-8", errors="surrogateescape", newline="") as file:
        csv.field_size_limit(1 << 20)
        kept = list(csv.reader(file))
    assert [row[0] for row in kept] == ["line", "2", "4", "5", "6", "7", "8", "9", "11"]
    assert [row[2] for row in kept[1:]] == [*(text for text in bad if text), "\udcff\udcfe,"]
    assert json.loads(kept[1][1]) == errors[0]["reasons"]
    lurge("check")


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"a,b\n1,2\n", HEADER.replace(",value", "").encode(), HEADER.encode() + b",value\n", b"\xff\xfe",
     b'"', b"x" * 200_000, b"\0" * 50],
)  # fmt: skip
def test_a_file_without_its_names_is_one_error(content: bytes) -> None:
    Path("a.csv").write_bytes(content)
    assert "no line of the file is read" in lurge("apply", "a.csv", status=3)
    assert "known before" in lurge("apply", "a.csv")
    assert len(json.loads(lurge("errors", "--json"))) == 1
    lurge("check")


def test_a_byte_order_mark_windows_line_ends_and_other_columns() -> None:
    text = "more,value,item_number,store_number,date,event_type,transaction_id\r\n"
    text += f'x,"7",12,5,2019-04-14T05:47:13+02:00,incoming,{FIRST.upper()}'
    Path("a.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    lurge("apply", "a.csv")
    assert rows("select transaction_id, timestamp, amount from transactions") == [(FIRST, "2019-04-14 03:47:13", 7)]


def test_directories_missing_files_and_what_is_not_a_file() -> None:
    Path("in").mkdir()
    for name in ("a.csv", "b.rejects.csv", ".hidden.csv", "c.txt"):
        write(f"in/{name}", [line(1)])
    Path("in/link.csv").symlink_to("c.txt")
    Path("in/folder.csv").mkdir()
    found = json.loads(lurge("apply", "in", "--json"))
    assert [file["name"] for file in found["files"]] == ["in/a.csv"]
    assert "no .csv file" in lurge("apply", "in/folder.csv")
    assert "none.csv: No such file" in lurge("apply", "none.csv", status=1)


def test_questions_before_anything_was_applied() -> None:
    for command in ("show", "check", "errors"):
        assert "lurge.db has no ledger yet" in lurge(command, status=1)
    subprocess.run([sys.executable, "-c", "import sqlite3; sqlite3.connect('x.db')"], check=True)
    Path("lurge.toml").write_text('[ledger.database]\nurl = "sqlite:///x.db"\n')
    assert "has no ledger yet" in lurge("show", status=1)
    assert "no broker is configured" in lurge("serve", status=1)


def test_the_ledger_of_a_site_of_its_own_beside_other_areas() -> None:
    write("a.csv", [line(1)])
    Path("lurge.toml").write_text('[ledger.database]\nurl = "sqlite:///other.db"\n')
    lurge("apply", "a.csv")
    assert Path("other.db").exists()
    assert not Path("out/lurge.db").exists()


def die(at: int) -> None:
    """Apply a file, and be killed before the given statement or commit."""
    site = load_config(None, optional=True)
    database = ledger_database(site)
    die_before(database, at)
    run_apply(site, database, [Path("a.csv")], Stop())
    os._exit(0)


def test_apply_killed_at_any_statement_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also between two portions of a file: nothing is lost, nothing taken twice."""
    monkeypatch.setattr("lurge.pipeline.ledger.reading.LINES_AT_ONCE", 7)
    model = Model(random.Random(5))
    write("a.csv", model.lines(30))
    site = load_config(None, optional=True)
    kills = 0
    for at in count(3, 4):
        if not was_killed(die, at):
            break
        kills += 1
        database = ledger_database(site)
        if Path("out/lurge.db").exists() and rows("select 1 from sqlite_master where name = 'tallies'"):
            with database.reading() as connection:
                assert check(connection).problems == []
        database.close()
    assert kills > 5
    journal = rows("select transaction_id, event, store_number, item_number, amount from transactions")
    assert {row[0]: tuple(row[1:]) for row in journal} == model.applied
    amounts = {(store, item): amount for store, item, amount in rows("select store_id, item_id, amount from items")}
    assert amounts == dict(model.amounts)
    found = json.loads(lurge("check", "--json"))
    assert (found["duplicates"], found["errors"]) == (model.duplicates, model.failing + model.invalid)


def test_a_stop_in_the_middle_is_gone_on_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lurge.pipeline.ledger.reading.LINES_AT_ONCE", 5)
    write("a.csv", [line(number) for number in range(1, 31)])
    site = load_config(None, optional=True)
    database = ledger_database(site)

    class Soon(Stop):
        left = 6

        def check(self) -> None:
            self.left -= 1
            if not self.left:
                self.ask()
            super().check()

    outcome = run_apply(site, database, [Path("a.csv")], Soon())
    assert outcome.files[0].is_stopped
    assert 0 < outcome.files[0].sent < 30
    outcome = run_apply(site, database, [Path("a.csv")], Stop())
    database.close()
    assert rows("select count(*), sum(amount) from transactions") == [(30, 300)]
    assert LINES_AT_ONCE >= 1000


def test_the_variables_of_the_older_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BROKER_URL", "kafka:9092")
    monkeypatch.setenv("KAFKA_EVENTS_TOPIC", "ev")
    monkeypatch.setenv("KAFKA_ERRORS_TOPIC", "er")
    monkeypatch.setenv("KAFKA_EVENT_RETRIES", "5")
    monkeypatch.setenv("POSTGRES_HOSTNAME", "db:5433")
    monkeypatch.setenv("POSTGRES_USER", "stock user")
    monkeypatch.setenv("POSTGRES_PASSWORD", "s@cret")
    monkeypatch.setenv("POSTGRES_DB", "stock")
    ledger = load_config(None, optional=True).ledger
    assert (ledger.broker, ledger.events_topic, ledger.errors_topic, ledger.retries) == ("kafka:9092", "ev", "er", 5)
    assert ledger.retries_go_to == "ev-retry"
    assert ledger.database
    assert ledger.database.url == "postgresql+psycopg://stock%20user@db:5433/stock"
    assert ledger.database.password
    assert ledger.database.password.reveal() == "s@cret"
    shown = subprocess.run(
        [sys.executable, "-P", "-m", "lurge", "config", "show"], capture_output=True, text=True, check=False
    )
    assert "s@cret" not in shown.stdout
    assert "$KAFKA_EVENT_RETRIES" in shown.stdout
    monkeypatch.setenv("KAFKA_EVENT_RETRIES", "many")
    assert "$KAFKA_EVENT_RETRIES is 'many'" in lurge("check", status=2)
    monkeypatch.setenv("KAFKA_EVENT_RETRIES", "-1")
    assert "$KAFKA_EVENT_RETRIES: ledger.retries: must be at least 0" in lurge("check", status=2)
    monkeypatch.delenv("KAFKA_EVENT_RETRIES")
    monkeypatch.setenv("KAFKA_BROKER_URL", "http://kafka:9092")
    assert "$KAFKA_BROKER_URL: ledger.broker: must be HOST:PORT" in lurge("check", status=2)


def test_what_a_page_left_is_applied_by_the_next_replay() -> None:
    from lurge.store.ledger.read import ErrorFilter
    from lurge.store.ledger.replay import replay

    write("a.csv", [line(1, "sale", 4)])
    lurge("apply", "a.csv", status=3)
    write("b.csv", [line(2)])
    lurge("apply", "b.csv")
    database = ledger_database(load_config(None, optional=True))
    with database.writing() as connection:
        assert replay(connection, ErrorFilter(), "") == (1, 0)
    database.close()
    assert "1 event applied" in lurge("replay", "--all")
    assert json.loads(lurge("show", "--json"))[0]["amount"] == 6
    lurge("check")


def test_rejects_that_cannot_be_written_do_not_hold_up_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a directory that nobody may write."""
    from lurge.pipeline.ledger import reading

    def refuse(path: Path) -> Any:
        raise OutputError(f"cannot write {path}")

    monkeypatch.setattr(reading, "whole_file", refuse)
    site = load_config(None, optional=True)
    database = ledger_database(site)
    write("a.csv", [line(1, "sale", 4), "bad", line(2)])
    outcome = run_apply(site, database, [Path("a.csv")], Stop())
    database.close()
    assert (outcome.files[0].failed, outcome.files[0].rejected) == (None, 1)
    assert "known before" in lurge("apply", "a.csv")
    assert json.loads(lurge("show", "--json"))[0]["amount"] == 6


def test_examples_work() -> None:
    write("events.csv", [line(1), line(2, "sale", 1, 6)])
    for command, status in (("apply", 3), ("show", 0), ("errors", 0), ("check", 0), ("watch-errors", 3), ("replay", 3)):
        done = run_lurge(*example(f"ledger {command}"))
        assert done.returncode == status, (command, done.stdout, done.stderr)


def test_made_up_events_are_applied() -> None:
    done = run_lurge("synth", "--events", "3000", "-o", "made")
    assert done.returncode == 0, done.stderr
    assert "lurge ledger apply made/incoming" in done.stdout
    found = json.loads(lurge("apply", "made/incoming", "--config", "made/lurge.toml", "--json", status=3))
    assert found["applied"] > 2900
    assert found["duplicates"] > 0
    state = json.loads(lurge("check", "--config", "made/lurge.toml", "--json"))
    assert state["events"] == 3000
