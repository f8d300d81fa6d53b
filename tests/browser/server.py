"""`lurge serve` in a process of its own, and the addresses that its pages link to."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qsl, urljoin, urlsplit

from tests.services import free_port

SECONDS_TO_START = 60


@contextmanager
def serving(config: Path, said: Path) -> Iterator[str]:
    """Serve a site until the block ends. said: what the server prints. Yields the address of its pages."""
    port = free_port()
    command = [sys.executable, "-m", "lurge", "serve", "--config", str(config), "--port", str(port)]
    with said.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
    address = f"http://127.0.0.1:{port}"
    try:
        ends = time.monotonic() + SECONDS_TO_START
        while status_of(f"{address}/healthz") is None:
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < ends, said.read_text()
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(SECONDS_TO_START)


def status_of(address: str) -> int | None:
    """The status of an answer; None if nobody answers."""
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except urllib.error.URLError:
        return None


class Links(HTMLParser):
    """The targets of links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.targets += [value for name, value in attributes if tag == "a" and name == "href" and value]


def links_of(address: str) -> list[str]:
    """The addresses that a page links to. Fails unless its status is 200."""
    parser = Links()
    with urllib.request.urlopen(address, timeout=60) as answer:
        parser.feed(answer.read().decode())
    return [urljoin(address, target).partition("#")[0] for target in parser.targets]


def shape(address: str) -> tuple[str, ...]:
    """The path of an address and the names of its parameters."""
    parts = urlsplit(address)
    return parts.path, *sorted(name for name, _ in parse_qsl(parts.query))


def crawl(start: str, most: int) -> dict[str, list[str]]:
    """The links of each page that is reached from the first one, of at most `most`; one of each shape comes first."""
    found: dict[str, list[str]] = {}
    shapes: set[tuple[str, ...]] = set()
    first, later = [start], []
    while (first or later) and len(found) < most:
        is_new = bool(first)
        address = first.pop(0) if is_new else later.pop(0)
        if address in found:
            continue
        if is_new and shape(address) in shapes:
            later.append(address)
            continue
        shapes.add(shape(address))
        found[address] = links_of(address)
        for target in found[address]:
            if target.startswith(f"{start}api"):
                continue
            (later if shape(target) in shapes else first).append(target)
    return found
