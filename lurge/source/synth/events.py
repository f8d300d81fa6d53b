"""Made-up events: files of them, in the order in which a shop would not have them."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

from lurge.model.event import COLUMNS, EventType

LINES_A_FILE = 100_000
ITEMS_A_STORE = 200
EVENTS_AN_ITEM = 25
LARGEST_DELIVERY = 1000
SALES = 0.6
WRONG, REPEATED = 0.0005, 0.005
"""Shares of lines that are no event, and of lines that come a second time."""

DAYS = 90

CONFIGURATION = """\
# Made up by lurge synth --events
[reports]
directory = "out"
"""


@dataclass
class Stock:
    """An item: what it has if all events so far are applied."""

    store: int
    item: int
    amount: int = 0


def make_events(folder: Path, count: int, newest: date, seed: int) -> Iterator[tuple[Path, int]]:
    """Make about so many events, and `lurge.toml`, in a folder; yields each file with its lines. Raises OSError."""
    rng = random.Random(seed)  # noqa: S311  nothing secret depends on it
    incoming = folder / "incoming"
    incoming.mkdir(parents=True, exist_ok=True)
    (folder / "lurge.toml").write_text(CONFIGURATION, encoding="utf-8")
    end = datetime.combine(newest, time.max).replace(microsecond=0)
    number_of_items = max(1, count // EVENTS_AN_ITEM)
    stocks = [Stock(place // ITEMS_A_STORE + 1, place % ITEMS_A_STORE + 1) for place in range(number_of_items)]
    for number, first in enumerate(range(0, count, LINES_A_FILE), 1):
        lines = make_lines(rng, stocks, min(LINES_A_FILE, count - first), end)
        path = incoming / f"events-{number:04}.csv"
        with path.open("w", encoding="ascii") as file:
            file.write(f"{','.join(COLUMNS)}\n")
            file.writelines(lines)
        yield path, len(lines)


def make_lines(rng: random.Random, stocks: list[Stock], count: int, end: datetime) -> list[str]:
    """Make lines. Some sales stand before their delivery, and very few are of more than there ever is."""
    made: list[str] = []
    while len(made) < count:
        stock = rng.choice(stocks)
        is_sale = stock.amount > 0 and rng.random() < SALES
        value = rng.randint(1, stock.amount if is_sale else LARGEST_DELIVERY)
        stock.amount += -value if is_sale else value
        kind = EventType.SALE if is_sale else EventType.INCOMING
        moment = end - timedelta(seconds=rng.randrange(DAYS * 86400))
        identity = uuid.UUID(int=rng.getrandbits(128), version=4)
        wrong = "-" if rng.random() < WRONG else ""
        made.append(f"{identity},{kind},{moment.isoformat()}Z,{stock.store},{stock.item},{wrong}{value}\n")
        if rng.random() < REPEATED:
            made.append(made[-1])
        if rng.random() < REPEATED and len(made) > 1:
            made[-1], made[-2] = made[-2], made[-1]
    return made[:count]
