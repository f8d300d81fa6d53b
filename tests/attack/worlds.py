"""Random hostile volumes and spoiled lines: kernel, plain twin and command agree."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from lurge.model.dump import last_second
from lurge.model.era import Era
from lurge.model.paths import PathAliases
from lurge.model.rules import FileType, Rules
from tests.hostile.entries import entries
from tests.hostile.lines import spoiled, written
from tests.hostile.names import directory_tree
from tests.hostile.values import ERAS, FILETYPES, GIDS
from tests.hostile.worlds import make_world
from tests.passes import StandardPass
from tests.site import TODAY
from tests.soak.command import check_world
from tests.soak.compare import compare_reports, twin_report

LINES_A_ROUND = 3000


def worlds(rng: random.Random, seed: int, folder: Path) -> None:
    """One world of the soak."""
    check_world(make_world(seed, folder))


def lines(rng: random.Random, seed: int, folder: Path) -> None:
    """Spoiled lines of one era, some of them spoiled several times."""
    era, slashed = rng.choice(ERAS)
    directories = directory_tree(rng, b"/lustre/v", 30)
    records = entries(rng, directories, LINES_A_ROUND, last_second(TODAY))[:LINES_A_ROUND]
    text = []
    for entry in records:
        line = written(rng, entry, era, slashed)
        for _ in range(rng.choice([0, 1, 1, 2, 5])):
            line = spoiled(rng, line)
        text.append(line.replace(b"\n", b" "))
    same_reports(rules_for(rng, era, directories), b"\n".join(text), rng)


def rules_for(rng: random.Random, era: Era, directories: list[bytes]) -> Rules:
    bases = tuple((rng.choice(GIDS), path) for path in rng.sample(directories, 5) if path.startswith(b"/"))
    types = tuple(FileType(name, tuple(suffixes)) for name, suffixes in FILETYPES.items())
    return Rules(era, last_second(TODAY), bases, (), types, ("users", "projects"), PathAliases())


def same_reports(rules: Rules, text: bytes, rng: random.Random) -> None:
    expected = twin_report(rules, text)
    kernel = StandardPass(rules)
    start = number = 0
    while start < len(text):
        end = text.find(b"\n", start + rng.randint(1, 1 << rng.randint(1, 18)))
        end = len(text) if end < 0 else end + 1
        part = text[start:end]
        kernel.add(np.frombuffer(bytearray(part), np.uint8), number + 1)
        number += part.count(b"\n") + (not part.endswith(b"\n"))
        start = end
    compare_reports("mutated lines", expected, kernel.report(expected.counts.lines))
