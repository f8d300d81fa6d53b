"""Everything hostile that a site may meet, in turn, with seeds, until time is up.

    python -m tests.attack [--minutes M] [--seed S] [--only NAME]

worlds      random hostile volumes, read by the kernel, the plain twin and the command (tests.soak)
lines       lines of dumps that something happened to: kernel and twin must say the same
streams     gzip streams that something happened to: they are read as Python's gzip reads them, or refused
names       names chosen so that a known hash cannot tell them apart: reading them takes no longer
kills       any process of a job killed at any moment: a whole state stands, and the next run goes on
links       links and files that somebody planted in output directories: what they lead to stays as it is

Everything in a round follows from its seed, and the next round's is one more. A round that failed keeps its folder, and
is the first one again with `--seed` and `--only`.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import zlib
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from lurge.atomic import UNFINISHED
from lurge.config.database import DatabaseConfig
from lurge.errors import StreamError
from lurge.model.era import Era
from lurge.model.paths import PathAliases
from lurge.model.rules import FileType, Rules
from lurge.parallel.launch import find_mpiexec
from lurge.source.inflate import DumpReader
from lurge.store.database import Database
from tests import soak
from tests.facts import facts
from tests.passes import StandardPass
from tests.processes import SECONDS_TO_END, job, processes_of, wait_for_none
from tests.site import TODAY, Entry, Site
from tests.soak import Difference

MINUTES = 3.0
LINES_A_ROUND, STREAMS_A_ROUND, KILLS_A_ROUND = 3000, 150, 2
LONGEST_DELAY = 3.5
MOST_TIMES_SLOWER = 8

Attack = Callable[[random.Random, int, Path], None]


def worlds(rng: random.Random, seed: int, folder: Path) -> None:
    """One world of the soak."""
    world = soak.make_world(seed, folder)
    reports = [soak.check_volume(world, made) for made in world.volumes]
    if world.rng.random() < soak.COMMAND_SHARE:
        soak.check_commands(world, reports)


def lines(rng: random.Random, seed: int, folder: Path) -> None:
    """Spoiled lines of one era, some of them spoiled again and again."""
    era, slashed = rng.choice(soak.SLASHED)
    directories = soak.grow(rng, b"/lustre/v", 30)
    entries = soak.entries(rng, directories, LINES_A_ROUND, soak.last_second(TODAY))[:LINES_A_ROUND]
    text = []
    for entry in entries:
        line = soak.written(rng, entry, era, slashed)
        for _ in range(rng.choice([0, 1, 1, 2, 5])):
            if line.count(b"\t") > 7:
                line = soak.spoiled(rng, line)
        text.append(line.replace(b"\n", b" "))
    same_reports(rules_for(rng, era, directories), b"\n".join(text), rng)


def rules_for(rng: random.Random, era: Era, directories: list[bytes]) -> Rules:
    bases = tuple((rng.choice(soak.GIDS), path) for path in rng.sample(directories, 5) if path.startswith(b"/"))
    types = tuple(FileType(name, tuple(suffixes)) for name, suffixes in soak.FILETYPES.items())
    return Rules(era, soak.last_second(TODAY), bases, (), types, ("users", "projects"), PathAliases())


def same_reports(rules: Rules, text: bytes, rng: random.Random) -> None:
    expected = soak.twin_report(rules, text)
    kernel = StandardPass(rules)
    start = number = 0
    while start < len(text):
        end = text.find(b"\n", start + rng.randint(1, 1 << rng.randint(1, 18)))
        end = len(text) if end < 0 else end + 1
        part = text[start:end]
        kernel.add(np.frombuffer(bytearray(part), np.uint8), number + 1)
        number += part.count(b"\n") + (not part.endswith(b"\n"))
        start = end
    soak.compare_reports("mutated lines", expected, kernel.report(expected.counts.lines))


def streams(rng: random.Random, seed: int, folder: Path) -> None:
    """Streams with flipped bits, missing or doubled pieces, and headers of every kind."""
    path = folder / "stream"
    folder.mkdir(parents=True, exist_ok=True)
    for _ in range(STREAMS_A_ROUND):
        text = rng.randbytes(rng.choice([0, 1, 1000])) * rng.choice([1, 50, 3000])
        members = [member(rng, piece) for piece in np.array_split(np.frombuffer(text, np.uint8), rng.randint(1, 4))]
        stream = bytearray(b"".join(members))
        for _ in range(rng.choice([0, 1, 1, 3])):
            place = rng.randrange(len(stream))
            choice = rng.randrange(4)
            if choice == 0:
                stream[place] ^= 1 << rng.randrange(8)
            elif choice == 1:
                del stream[place : place + rng.choice([1, 8, len(stream)])]
            elif choice == 2:
                stream[place:place] = stream[place : place + rng.choice([1, 100])]
            else:
                stream += rng.choice([b"\0", b"\0" * 9999, b"x", stream[:5]])
            if not stream:
                break
        path.write_bytes(stream)
        if stream[:2] == b"\x1f\x8b":
            same_stream(path)


def member(rng: random.Random, piece: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> bytes:
    """A member of a gzip stream, with a name of any length in its header."""
    plain = gzip.compress(piece.tobytes(), rng.choice([0, 1, 9]))
    if rng.random() < 0.8:
        return plain
    name = b"n" * rng.choice([0, 10, 70_000, 600_000]) + b"\0"
    return plain[:3] + b"\x08" + plain[4:10] + name + plain[10:]


def same_stream(path: Path) -> None:
    try:
        expected: bytes | None = gzip.decompress(path.read_bytes())
    except (EOFError, OSError, zlib.error):
        expected = None
    found: bytes | None = b""
    try:
        reader = DumpReader(path)
        room = memoryview(bytearray(100_000))
        while count := reader.read_into(room):
            found = (found or b"") + bytes(room[:count])
        reader.close()
    except StreamError:
        found = None
    if found != expected:
        said = ["refused" if text is None else f"{len(text)} bytes" for text in (expected, found)]
        raise Difference(f"{path}: {said[0]} by Python's gzip, {said[1]} by lurge")


def names(rng: random.Random, seed: int, folder: Path) -> None:
    """Directories whose names collide in a hash without a secret, beside others as long."""
    blocks = 11
    rules = Rules(soak.QUOTED_12, soak.last_second(TODAY), ((10, b"/p"),), (), (), (), PathAliases())
    usual = [b"%0*d" % (16 * blocks, number) for number in range(2**blocks)]
    spent = [min(seconds_to_read(rules, chosen) for _ in range(3)) for chosen in (usual, colliding_names(rng, blocks))]
    if spent[1] > MOST_TIMES_SLOWER * spent[0]:
        raise Difference(f"crafted names take {spent[1]:.3f} s, others {spent[0]:.3f} s")


def colliding_names(rng: random.Random, blocks: int) -> list[bytes]:
    """2**blocks names that a hash cannot tell apart that multiplies words by a known number and folds the halves."""
    found = [b""]
    for _ in range(blocks):
        first, second = bytes(rng.choices(b"abcdefgh", k=8)), bytes(rng.choices(b"abcdefgh", k=8))
        other = bytes([*first[:7], first[7] ^ 0x80])
        taken_back = bytes([*second[:3], second[3] ^ 0x80, *second[4:7], second[7] ^ 0x80])
        found = [name + block for name in found for block in (first + second, other + taken_back)]
    return found


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


@cache
def prepared() -> tuple[Site, dict[str, dict[str, list[str]]], dict[str, dict[str, list[str]]]]:
    """Two volumes with a stored and a new dump of each, and what is stored before and after the new ones."""
    site = Site(Path(tempfile.mkdtemp(prefix="lurge-attack-")), volumes=["scratch101", "scratch102"])
    site.configure("[mpi]\nblock_records = 20\n")
    site.base_directories((10, "/lustre/scratch101/a"), (10, "/lustre/scratch102/a"))
    found = []
    for day, size in (("20240130", 5), ("20240131", 7)):
        for volume in site.volumes:
            entries = [Entry(f"/lustre/{volume}/a/{i % 9}/{i}.bam", size) for i in range(4000)]
            entries.append(Entry(f"/lustre/{volume}/a/.vault/keep/07-YS93aHk_Pz8udHh0"))
            site.dump(*entries, volume=volume, day=day)
        copied = copy_of(site, site.folder.with_name(f"{site.folder.name}-{day}"))
        copied.run()
        found.append(stored(copied))
        if day == "20240130":
            shutil.copytree(copied.folder / "out", site.folder / "out")
        shutil.rmtree(copied.folder)
    return site, found[0], found[1]


def copy_of(site: Site, folder: Path) -> Site:
    shutil.copytree(site.folder, folder, dirs_exist_ok=True)
    copied = Site.__new__(Site)
    copied.folder, copied.volumes, copied.extra = folder, site.volumes, site.extra
    return copied


def stored(site: Site) -> dict[str, dict[str, list[str]]]:
    database = Database(DatabaseConfig(url=f"sqlite:///{site.database}"))
    try:
        return facts(database)
    finally:
        database.close()


def kills(rng: random.Random, seed: int, folder: Path) -> None:
    """Kill any process of a job; then look at what stands, and let the next run go on."""
    source, before, after = prepared()
    for turn in range(KILLS_A_ROUND):
        site = copy_of(source, folder / str(turn))
        ranks = rng.choice([1, 1, 2, 3, 4])
        launch = [find_mpiexec(), "-n", str(ranks)] if ranks > 1 else []
        options = ["--split"] if rng.random() < 0.3 else []
        command = [*launch, sys.executable, "-m", "lurge", "report", "-c", str(site.config), *options]
        mark = str(site.folder)
        with job(mark, command, site.folder / "said") as process:
            delay = time.monotonic() + rng.uniform(0, LONGEST_DELAY)
            while time.monotonic() < delay and process.poll() is None:
                time.sleep(0.005)
            alive = processes_of(mark)
            if alive:
                os.kill(rng.choice(alive), rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM]))
            process.wait(SECONDS_TO_END)
            wait_for_none(mark)
        for name, content in stored(site).items():
            if content not in (before[name], after[name]):
                raise Difference(f"{site.folder}: {name} is neither as before nor as after")
        site.run(*options)
        if stored(site) != after:
            raise Difference(f"{site.folder}: the next run does not give what a whole run gives")
        if left := [str(path) for path in (site.folder / "out").rglob(f".*{UNFINISHED}") if "tickets" not in str(path)]:
            raise Difference(f"left behind: {left}")


def links(rng: random.Random, seed: int, folder: Path) -> None:
    """Links at every place that can be guessed, to a file and a folder that must stay as they are."""
    site = Site(folder / "site")
    site.base_directories((10, "/p"))
    site.dump(Entry("/p/x.bam", 5))
    precious, place = folder / "precious", folder / "place"
    precious.write_text("precious")
    place.mkdir()
    (place / "kept").write_text("kept")
    out = site.folder / "out"
    guessable = [
        "groups/.lock", "groups/.parts.unfinished", "groups/20240131", "groups/.20240131.unfinished",
        "groups/.20240131.replaced", "lurge.db.lock", "last-names.json", "user-reports/2024-01-31.tsv",
        "report-output-files/report-20240131.tsv", *(f"user-reports/.2024-01-31.tsv.{n}.unfinished" for n in range(9)),
    ]  # fmt: skip
    for name in rng.sample(guessable, rng.randint(1, len(guessable))):
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(rng.choice([precious, place, folder / "nowhere"]))
    cache_place = folder / "cache"
    cache_place.mkdir()
    cache_place.chmod(0o777)
    environment = {"NUMBA_CACHE_DIR": str(cache_place)} if rng.random() < 0.2 else {}
    done = site.run("--split", status=None, env=environment)
    if done.returncode not in (0, 1, 3) or "Traceback" in done.stderr:
        raise Difference(f"exit status {done.returncode}: {done.stderr[-2000:]}")
    if done.returncode in (0, 3) and site.rows("select used from lustre_usage") != [(5,)]:
        raise Difference("what is stored is wrong")
    kept = precious.read_text() == "precious" and [path.name for path in place.iterdir()] == ["kept"]
    if not kept or (folder / "nowhere").exists() or list(cache_place.rglob("*.nb*")):
        raise Difference("a link was followed, or code was kept where others may write")


ATTACKS: dict[str, Attack] = {
    "worlds": worlds, "lines": lines, "streams": streams, "names": names, "kills": kills, "links": links,
}  # fmt: skip


def one_round(name: str, seed: int) -> bool:
    """Run one attack with its seed; returns whether nothing was found."""
    folder = Path(tempfile.mkdtemp(prefix=f"lurge-attack-{name}-", suffix=f"-{seed}"))
    try:
        ATTACKS[name](random.Random(f"{name} {seed}"), seed, folder)
    except (Exception, subprocess.TimeoutExpired) as error:
        print(error if isinstance(error, Difference) else traceback.format_exc())
        print(f"kept: {folder}\nagain: python -m tests.attack --seed {seed} --only {name}")
        return False
    shutil.rmtree(folder)
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description="Attack lurge in every way that is known.")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="how long, %(default)s unless told")
    parser.add_argument("--seed", type=int, help="the first round's; from the clock unless told")
    parser.add_argument("--only", choices=ATTACKS, help="one kind of attack; each in turn unless told")
    options = parser.parse_args()
    seed = time.time_ns() // 10**6 if options.seed is None else options.seed
    print(f"seed {seed}, folders in {tempfile.gettempdir()}/lurge-attack-*", flush=True)
    ends = time.monotonic() + 60 * options.minutes
    done: Counter[str] = Counter()
    good = True
    while good and time.monotonic() < ends:
        for name in [options.only] if options.only else ATTACKS:
            good = good and one_round(name, seed)
            done[name] += 1
        seed += 1
    print(json.dumps(done))
    if prepared.cache_info().currsize:
        shutil.rmtree(prepared()[0].folder)
    sys.exit(not good)


if __name__ == "__main__":
    main()
