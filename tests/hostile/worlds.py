"""A whole site with everything that `lurge report` reads, made from a seed."""

from __future__ import annotations

import gzip
import json
import random
import re
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from lurge.model.dump import last_second
from lurge.model.era import Era
from lurge.source.naming import folder_mount
from tests.hostile.entries import entries, path_of
from tests.hostile.lines import text_of
from tests.hostile.names import directory_tree
from tests.hostile.values import ERAS, FILETYPES, GIDS
from tests.site import TODAY, Entry, Site


@dataclass(frozen=True)
class MadeVolume:
    """A volume: the text of its dump, and the era in which that is written."""

    name: str
    era: Era
    text: bytes


@dataclass
class World:
    """One site, its volumes and its random numbers, all of which follow from the seed."""

    seed: int
    rng: random.Random
    site: Site
    volumes: list[MadeVolume]


def packed(rng: random.Random, text: bytes) -> bytes:
    """The file of a dump: plain, or gzip of one or many members."""
    draw = rng.random()
    if draw < 0.2:
        return text
    if draw < 0.5:
        return gzip.compress(text, 1)
    places = sorted(rng.randrange(len(text) + 1) for _ in range(rng.randint(1, 30)))
    pieces = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]
    return b"".join(gzip.compress(piece, 1) for piece in pieces)


def publish(rng: random.Random, site: Site, volume: str, day: date, text: bytes) -> None:
    """Put a dump where lurge finds it, under either kind of name."""
    path = site.dumps / f"{day:%Y%m%d}_{volume}.aaa.bbb.stats.gz"
    if rng.random() < 0.3:
        path = site.dumps / f"{day:%Y%m%d}-012345_{folder_mount(f'/lustre/{volume}')}" / "stats.gz"
        path.parent.mkdir()
    path.write_bytes(packed(rng, text))


def base_directories(rng: random.Random, records: list[Entry]) -> list[tuple[int, bytes]]:
    """Paths of records, mostly of directories, and of their parents; some end in a slash."""
    directories = [entry for entry in records if entry.type == "d"] or records
    pairs = [(entry.gid, path_of(entry)) for entry in rng.choices(directories, k=rng.randint(1, 12))]
    for entry in rng.choices(records, k=rng.choice([1, 5, 40])):
        path = path_of(entry)
        for _ in range(rng.choice([0, 1, 1, 2, 2, 2, 4, path.count(b"/") // 2])):
            path = path.rpartition(b"/")[0]
        gids = rng.choice([[entry.gid], [entry.gid, rng.choice(GIDS)], GIDS])
        pairs += [(gid, path + rng.choice([b"", b"/"])) for gid in gids]
    if rng.random() < 0.05:
        pairs.append((10, b"/"))
    return [(gid, path) for gid, path in pairs if path.startswith(b"/") and not re.search(rb"\n|\r\Z", path)]


def as_toml(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def configuration(rng: random.Random, records: list[Entry]) -> str:
    """The tables of lurge.toml below [identity]: filetypes, aliases, pseudo groups, ranks."""
    lines = [f"[mpi]\nblock_records = {rng.choice([1, 10, 250, 1000])}\nworkers_per_volume = {rng.randint(1, 3)}"]
    if rng.random() < 0.7:
        lines.append("[filetypes]")
        lines += [f"{label} = {as_toml(suffixes)}" for label, suffixes in FILETYPES.items() if rng.random() < 0.8]
    if rng.random() < 0.5:
        lines.append("[path_aliases]")
        lines.append(rng.choice(["'/lustre/(scratch[0-9]*)/mdt[0-9]' = '/known/\\1'", "'/lustre/[^/]*/mdt1' = '/one'"]))
    paths = set()
    for entry in rng.choices(records, k=rng.choice([0, 0, 1, 3])):
        path = path_of(entry).decode(errors="ignore")
        path = (path if rng.random() < 0.7 else path.rpartition("/")[0]).rstrip("/") or "/"
        if path.strip() and path.isprintable() and path not in paths:
            paths.add(path)
            gid = rng.choice([-1, -2, 10, 2**40])
            lines.append(f'[[pseudo_groups]]\npath = {as_toml(path)}\ngid = {gid}\nname = "pseudo {gid}"')
    return "\n".join(lines) + "\n"


def make_world(seed: int, folder: Path) -> World:
    """A site with everything that `lurge report` reads."""
    rng = random.Random(seed)
    names = [f"scratch{101 + number}" for number in range(rng.randint(1, 3))]
    site = Site(folder, names)
    volumes: list[MadeVolume] = []
    everything: list[Entry] = []
    for volume in names:
        day = TODAY - timedelta(days=rng.randint(0, 3))
        era, slashed = rng.choice(ERAS)
        count = int(10 ** rng.triangular(2.3, 4.4, 2.8))
        directories = directory_tree(
            rng, f"/lustre/{volume}".encode(), rng.randint(3, 10 + count // rng.randint(5, 50))
        )
        records = entries(rng, directories, count, last_second(day))
        volumes.append(MadeVolume(volume, era, text_of(rng, records, era, slashed)))
        publish(rng, site, volume, day, volumes[-1].text)
        everything += records
    site.base_directories(*base_directories(rng, everything))
    site.configure(configuration(rng, everything), "max_rejected_fraction = 1.0")
    return World(seed, rng, site, volumes)
