"""Names that collide under a known hash: reading them takes no longer."""

from __future__ import annotations

import random
import time
from pathlib import Path

import numpy as np

from lurge.model.dump import last_second
from lurge.model.era import QUOTED_12
from lurge.model.paths import PathAliases
from lurge.model.rules import Rules
from tests.passes import StandardPass
from tests.site import TODAY, Entry
from tests.soak.compare import Difference

MOST_TIMES_SLOWER = 8


def names(rng: random.Random, seed: int, folder: Path) -> None:
    """Directories whose names collide in a hash without a secret, beside others as long."""
    blocks = 11
    rules = Rules(QUOTED_12, last_second(TODAY), ((10, b"/p"),), (), (), (), PathAliases())
    usual = [b"%0*d" % (16 * blocks, number) for number in range(2**blocks)]
    spent = [min(seconds_to_read(rules, chosen) for _ in range(3)) for chosen in (usual, colliding_names(rng, blocks))]
    if spent[1] > MOST_TIMES_SLOWER * spent[0]:
        raise Difference(f"crafted names take {spent[1]:.3f} s, others {spent[0]:.3f} s")


def colliding_names(rng: random.Random, blocks: int) -> list[bytes]:
    """2**blocks names that a hash cannot tell apart that multiplies words by a known number and folds the halves."""
    names = [b""]
    for _ in range(blocks):
        first, second = bytes(rng.choices(b"abcdefgh", k=8)), bytes(rng.choices(b"abcdefgh", k=8))
        other = bytes([*first[:7], first[7] ^ 0x80])
        taken_back = bytes([*second[:3], second[3] ^ 0x80, *second[4:7], second[7] ^ 0x80])
        names = [name + block for name in names for block in (first + second, other + taken_back)]
    return names


def seconds_to_read(rules: Rules, chosen: list[bytes]) -> float:
    text = b"".join(Entry(b"/p/" + name + b"/f").line() for name in chosen)
    kernel = StandardPass(rules)
    started = time.process_time()
    kernel.add(np.frombuffer(bytearray(text), np.uint8), 1)
    merged = StandardPass(rules)
    merged.merge(kernel.export())
    spent = time.process_time() - started
    if len(merged.report(len(chosen)).directories) != len(chosen):
        raise Difference("a directory is lost")
    return spent
