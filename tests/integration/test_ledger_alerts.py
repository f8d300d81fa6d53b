"""`lurge ledger watch-errors`: rules, and how people are told."""

from __future__ import annotations

import json
import signal
import socketserver
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.ledger.events import HEADER
from tests.site import run_lurge

SECONDS = 30


class Mail(socketserver.StreamRequestHandler):
    """A server of SMTP that takes every message."""

    received: list[str] = []  # noqa: RUF012 - of the class of one test
    refuses = False

    def handle(self) -> None:
        self.answer("220 here")
        lines: list[str] = []
        is_data = False
        while line := self.rfile.readline().decode().rstrip("\r\n"):
            word = line.upper()
            if word.startswith("DATA"):
                is_data = True
                self.answer("354 go on")
                while (line := self.rfile.readline().decode().rstrip("\r\n")) != ".":
                    lines.append(line)
                self.received.append("\n".join(lines))
                self.answer("250 taken")
            elif word.startswith("QUIT"):
                self.answer("221 bye")
                return
            else:
                self.answer("550 no" if self.refuses and word.startswith("RCPT") else "250 well")
        assert is_data or not lines

    def answer(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class Hook(BaseHTTPRequestHandler):
    """A webhook."""

    received: list[dict[str, str]] = []  # noqa: RUF012 - of the class of one test

    def do_POST(self) -> None:
        self.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def servers() -> Iterator[tuple[type[Mail], type[Hook], int, int]]:
    mail, hook = type("OwnMail", (Mail,), {"received": []}), type("OwnHook", (Hook,), {"received": []})
    running = [socketserver.ThreadingTCPServer(("127.0.0.1", 0), mail), HTTPServer(("127.0.0.1", 0), hook)]
    for server in running:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield mail, hook, *(int(server.server_address[1]) for server in running)  # type: ignore[misc]
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lurge(*arguments: str, status: int = 0) -> str:
    done = run_lurge("ledger", *arguments)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def apply(*events: str, status: int = 3) -> None:
    path = Path(f"{uuid.uuid4()}.csv")
    path.write_text("\n".join([HEADER, *events]) + "\n")
    lurge("apply", str(path), status=status)


def sale(number: int, item: int = 1) -> str:
    return f"{uuid.UUID(int=number)},sale,2019-04-14T03:47:13Z,5,{item},9"


def test_items_that_ran_out_and_too_many_errors(servers: tuple[type[Mail], type[Hook], int, int]) -> None:
    mail, hook, mail_port, hook_port = servers
    Path("lurge.toml").write_text(
        f'[ledger]\nwebhook = "http://127.0.0.1:{hook_port}/x"\n'
        f'[ledger.mail]\nhost = "127.0.0.1"\nport = {mail_port}\ntls = "off"\nsender = "a@x"\nrecipients = ["b@x"]\n'
        '[[ledger.alerts]]\nname = "out"\nwhen = "ran out"\n'
        '[[ledger.alerts]]\nname = "many"\nwhen = "rate"\nmore_than = 3\nminutes = 60\n'
    )
    apply(f"{uuid.UUID(int=1)},incoming,2019-04-14T03:47:13Z,5,1,3", status=0)
    lurge("watch-errors", "--once")
    assert (mail.received, hook.received) == ([], [])
    apply(sale(2), sale(3), sale(4, item=7))
    said = lurge("watch-errors", "--once", status=3)
    assert "out: store 5, item 1: 2 sales failed, the amount is 3" in said
    assert "out: store 5, item 7: 1 sale failed, it is unknown" in said
    assert [message["rule"] for message in hook.received] == ["out"]
    assert "Subject: lurge ledger: out" in mail.received[0]
    assert "store 5, item 7" in mail.received[0]
    # Nothing is told twice.
    lurge("watch-errors", "--once")
    apply("no event")
    assert "many: 4 errors in 60 minutes" in lurge("watch-errors", "--once", status=3)
    apply("no event, too")
    lurge("watch-errors", "--once")
    assert [message["rule"] for message in hook.received] == ["out", "many"]
    assert len(mail.received) == 2


def test_who_was_not_reached_is_told_again(servers: tuple[type[Mail], type[Hook], int, int]) -> None:
    mail, _, mail_port, _ = servers
    Path("lurge.toml").write_text(
        f'[ledger.mail]\nhost = "127.0.0.1"\nport = {mail_port}\ntls = "off"\nsender = "a@x"\nrecipients = ["b@x"]\n'
    )
    lurge("watch-errors", "--once")
    apply(sale(1))
    mail.refuses = True
    assert "mail by 127.0.0.1" in lurge("watch-errors", "--once", status=3)
    assert mail.received == []
    mail.refuses = False
    lurge("watch-errors", "--once", status=3)
    assert len(mail.received) == 1
    Path("lurge.toml").write_text('[ledger]\nwebhook = "http://127.0.0.1:1/"\n')
    apply(sale(2))
    assert "webhook: " in lurge("watch-errors", "--once", status=3)


def test_watching_goes_on_until_a_signal() -> None:
    lurge("watch-errors", "--once")
    with Path("log").open("wb") as log:
        watching = subprocess.Popen(
            [sys.executable, "-P", "-m", "lurge", "ledger", "watch-errors", "--interval", "0.1"], stderr=log
        )
    apply(sale(1))
    ends = time.monotonic() + SECONDS
    while "ran out: store 5, item 1" not in Path("log").read_text():
        assert time.monotonic() < ends
        time.sleep(0.05)
    watching.send_signal(signal.SIGTERM)
    assert watching.wait(10) == 0
