"""Made-up events whose end is known, in whatever order they come: a plain model of the ledger."""

from __future__ import annotations

import json
import random
import uuid
from collections import defaultdict
from dataclasses import dataclass, field

HEADER = "transaction_id,event_type,date,store_number,item_number,value"
STORES, ITEMS = 4, 10
BEYOND = 10**15
"""More than any item ever has."""

MOST_PROBLEMS = 0.1


@dataclass
class Model:
    """What the events so far must come to.

    applied: (type, store, item, value) by id. failing: events that can never be applied. invalid: lines that are no
    event.
    """

    random: random.Random
    amounts: dict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    applied: dict[str, tuple[str, int, int, int]] = field(default_factory=dict)
    duplicates: int = 0
    failing: int = 0
    invalid: int = 0
    _valid: list[str] = field(default_factory=list)

    def identity(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128)))

    def lines(self, count: int) -> list[str]:
        """Make about so many lines, in random order. After all of them, no sale is beyond its stock."""
        made: list[str] = []
        while len(made) < count:
            item = self.random.randrange(STORES), self.random.randrange(ITEMS)
            value = self.random.randint(1, 1000)
            made.append(self.valid("incoming", item, value))
            if self.random.random() < 0.7:
                made.append(self.valid("sale", item, self.random.randint(1, value)))
            if self.random.random() < MOST_PROBLEMS:
                made.append(self.random.choice(self._valid))
                self.duplicates += 1
            if self.random.random() < MOST_PROBLEMS:
                made.append(self.problem(item))
        self.random.shuffle(made)
        return made

    def valid(self, kind: str, item: tuple[int, int], value: int) -> str:
        """Make an event that is applied sooner or later."""
        identity = self.identity()
        self.applied[identity] = (kind, *item, value)
        self.amounts[item] += value if kind == "incoming" else -value
        line = f"{identity},{kind},{self.date()},{item[0]},{item[1]},{value}"
        self._valid.append(line)
        return line

    def problem(self, item: tuple[int, int]) -> str:
        """Make an event that is never applied."""
        way = self.random.randrange(3)
        if way == 0:
            self.invalid += 1
            return f"{self.identity()},stolen,{self.date()},{item[0]},{item[1]},x"
        self.failing += 1
        store, number = item if way == 1 else (STORES + 7, 1)
        return f"{self.identity()},sale,{self.date()},{store},{number},{BEYOND}"

    def date(self) -> str:
        return f"2024-{self.random.randint(1, 12):02}-{self.random.randint(1, 28):02}T03:47:13Z"


def as_json(line: str) -> bytes:
    """A line of CSV as a message."""
    return json.dumps(dict(zip(HEADER.split(","), line.split(","), strict=True))).encode()
