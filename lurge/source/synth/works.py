"""Made-up works: trees in three states and published works, and a backlog of what was seen of them earlier."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from lurge.model.works import PUBLISHED

STATES = ("cataloged", "scanned", "ReadyToProcess", PUBLISHED)
PROJECTS = ("Kangyur", "Tengyur", "Maps", "Letters")
HOST = "scanner1"
LEAST_IMAGES, MOST_IMAGES = 5, 60
LOSING = 0.04
"""Share of works that lose an image on their way to the next state."""

CONFIGURATION = """\
# Made up by lurge synth --works
[reports]
directory = "out"
"""


@dataclass
class Made:
    """A work: its images in each state that it has reached, and the days before the newest date on which it did."""

    name: str
    project: str
    images: list[int]
    since: list[int]


def make_works(folder: Path, count: int, days: int, newest: date, seed: int) -> Iterator[Path]:
    """Make the trees, `backlog.csv` and `lurge.toml` in a folder; yields each path. Raises OSError."""
    rng = random.Random(seed)  # noqa: S311  nothing secret depends on it
    made = [make_work(rng, number, days) for number in range(count)]
    for state in STATES:
        (folder / "trees" / state).mkdir(parents=True, exist_ok=True)
        for work in made:
            if len(work.images) - 1 == STATES.index(state):
                write_work(folder / "trees" / state, work, state)
        yield folder / "trees" / state
    with (folder / "backlog.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("obsdate", "hostname", "srcdir", "workdir", "workCreateDate", "state", "imagecount"))
        for work in made:
            for number, (images, since) in enumerate(zip(work.images[:-1], work.since[:-1], strict=True)):
                created = newest - timedelta(days=work.since[0] + 3)
                for ago in range(since, work.since[number + 1], -7):
                    day = newest - timedelta(days=ago)
                    writer.writerow((day, HOST, work.project, work.name, created, STATES[number], images))
    yield folder / "backlog.csv"
    place = folder.absolute() / "trees"
    trees = "".join(f'\n[[works.trees]]\nstate = "{state}"\npath = "{place}/{state}"\n' for state in STATES)
    (folder / "lurge.toml").write_text(CONFIGURATION + trees, encoding="utf-8")
    yield folder / "lurge.toml"


def make_work(rng: random.Random, number: int, days: int) -> Made:
    """A work that reached one of the states."""
    reached = rng.choices(range(len(STATES)), [1, 3, 3, 5])[0]
    images = rng.randint(LEAST_IMAGES, MOST_IMAGES)
    since = sorted((rng.randrange(1, days) for _ in range(reached + 1)), reverse=True)
    counts = []
    for _ in range(reached + 1):
        counts.append(images)
        images -= rng.random() < LOSING
    return Made(f"W{10_000 + number}", rng.choice(PROJECTS), counts, since)


def write_work(tree: Path, work: Made, state: str) -> None:
    """Write the empty images of a work."""
    is_published = state == PUBLISHED
    place = tree / work.name if is_published else tree / work.project / work.name
    halves = ("archive", "images") if is_published and int(work.name[1:]) % 2 else ("images",)
    for first, half in enumerate(halves):
        images = place / half / f"{work.name}-1"
        images.mkdir(parents=True, exist_ok=True)
        for number in range(first, work.images[-1], len(halves)):
            (images / f"{number:04}.{'tif' if half == 'archive' else 'jpg'}").touch()
