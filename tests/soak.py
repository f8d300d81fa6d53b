"""Random worlds, realistic and hostile, read by the kernel, by its plain twin and by the command until time is up.

    python -m tests.soak [--minutes M] [--seed S]

The twin must say the same as the kernel, however a dump is cut and merged. In every few worlds `lurge report` runs too,
alone and on several ranks: both must leave the same database and files, and the database the twin's rows.

Everything in a world follows from its seed, and the next world's is one more: a world that showed a difference is kept,
in a folder that ends in its seed, and is the first one again with `--seed`.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from lurge.aggregate.plain import PlainAggregator
from lurge.config import load_config
from lurge.enrich.identity import Names, make_identity
from lurge.model.dump import MOST_DAYS, SECONDS_A_DAY, Dump, date_of, last_second
from lurge.model.era import QUOTED_11, QUOTED_12, SORTED_11, STANDARD_11, Encoding, Era
from lurge.model.report import LONGEST_LINE, VolumeReport
from lurge.model.rules import Rules
from lurge.model.stored import LARGEST
from lurge.parallel.blocks import Buffers, OpenDump, cut
from lurge.parallel.reader import rules_of
from lurge.pipeline.work import task_of
from lurge.source.finding import newest_dump
from lurge.source.inflate import DumpReader
from lurge.source.naming import folder_mount
from lurge.source.synth.world import vault_key
from lurge.store.usage.steps import stored_path
from tests.passes import StandardPass
from tests.site import DIRECTORIES, GROUPS, SUMMARY, TODAY, UNATTRIBUTED, USERS, VAULT, Entry, Site

MINUTES = 3.0
COMMAND_SHARE = 0.12
ROWS_SHOWN = 5

ENCODINGS = {Encoding.STANDARD: "standard", Encoding.SORTED: "sorted", Encoding.QUOTED: "quoted"}
SLASHED = [(STANDARD_11, False), (SORTED_11, False), (QUOTED_11, False), (QUOTED_11, True), (QUOTED_12, True)]
"""The eras, and whether directories end in a slash."""

GIDS = [10, 11, 12, 0, 77, 4294967295]
UIDS = [1, 2, 3, 0, 12345678, 123456789, 4294967295]
WORDS = [
    b"foo", b"foobar", b"users", b"projects", b"run", b"runs", b"lane", b"a", b"aa", b"data", b"Data", b"sample",
    b"analysis", b"results-2024", b"work", b".snapshot", b".hgi.old.x", b"q", b"x.y",
]  # fmt: skip
ODD_NAMES = [
    b"tab\there", b"new\nline", b'"quoted"', b"back\\slash", b"\\x41", b"cr\r", b" ", b"a ", b"..", b"'", b"=", b"\x7f",
    b"\xff\xfe", b"caf\xc3\xa9", b"caf\xe9", b"\xc3", b"nul\0", b"\xe2\x80\xa8", b"\xf0\x9f\x98\x80", b"\xed\xa0\x80",
    b"\x1b[0m", b"\\xff", b"%s", b"",
]  # fmt: skip
SUFFIXES = [".bam", ".BAM", ".sam.gz", ".cram", ".fastq.gz", ".fq", ".vcf.gz", ".Bed", ".gz", ".txt", "", "", "M"]
FILETYPES = {
    "BAM": [".bam"],
    "GZ": [".gz", ".Sam.Gz"],
    "Long": [".a-Suffix_longer_than.a.WORD", "longer_than.a.word", ".eightby"],
    "One": ["m", "\u00e9", "y"],
    "Slash": ["/a", "a/b"],
    "Twice": [".cram", "ram", ".ninebytes"],
}
BAD_KEYS = [
    b"-", b"00-", b"0g-YQ==", b"07-YQ=", b"001-YQ==", b"07YQ==", b"07-YQ/=", b"07-!", b"x/y",
    b"112233445566778899-YQ==", b"07-YQ==YQ==", b"07-=", b"07-Y",
]  # fmt: skip
BRANCHES = [b"keep", b"archive", b".staged", b".limbo", b".stash"]
NO_BRANCHES = [b".audit", b"Keep", b"keeps", b"", b"keep/", b"keep//"]

BAD_NUMBERS = [
    b"", b"-", b"+1", b" 1", b"1 ", b"1_0", b"1.0", b"0x1", b"-0", b"-1", b"--1", b"\xd9\xa1", b"9" * 19, b"9" * 20,
    b"0" * 30, b"0" * 30 + b"1", b"1" + b"0" * 30, b"/", b":", b"1:", b"1/", b"\0", b"12345678:",
    *(b"%d" % (sign * 2**bits + more) for bits in (31, 32, 63, 64) for sign in (1, -1) for more in (-1, 0, 1)),
]  # fmt: skip
INSERTED = [
    b"\t", b"\r", b"\\", b'"', b"\0", b"=", b" ", b"\\x0", b"\\u12", b"\\U00110000", b"\\ud800", b"\\q", b"\xff",
]  # fmt: skip
BAD_PATHS = [b"", b"/", b"Lw==", b'""', b'"/', b'"/"', b'"//"', b'"a/b"']
BLANKS = [b"", b"", b" ", b"\r", b"\t" * 10, b'"/']
TIMES = [0, -1, -5, 2**31, 2**40, 2**63 - 1, -(2**63), 9999999999999999, 10**16]


class Difference(Exception):  # noqa: N818 - it is what is looked for
    """Two that should say the same do not."""


@dataclass(frozen=True)
class Made:
    """A volume that was made up: its dump's text and how that is written."""

    name: str
    era: Era
    text: bytes


@dataclass
class World:
    """One site, its volumes and its random numbers, all of which follow from the seed."""

    seed: int
    rng: random.Random
    site: Site
    volumes: list[Made]


@dataclass
class Totals:
    """What was done."""

    worlds: int = 0
    records: int = 0
    commands: int = 0


def name(rng: random.Random, before: bytes = b"x") -> bytes:
    """One component of a path, often much like the one before."""
    draw = rng.random()
    if draw < 0.35:
        return rng.choice(WORDS)
    if draw < 0.65:
        return rng.choice(WORDS) + b"_%03d" % rng.randrange(1000)
    if draw < 0.75:
        return before[:200] + rng.choice([b"a", b"0", b".", b"bar"])
    if draw < 0.85:
        return before[:-1] + rng.choice([b"a", b"b", b"c"])
    if draw < 0.9:
        return rng.choice(ODD_NAMES)
    return bytes(rng.choices(b"abcdefghijklmnop_-.0123456789", k=rng.randint(1, rng.choice([8, 40, 250]))))


def path_of(entry: Entry) -> bytes:
    return entry.path if isinstance(entry.path, bytes) else entry.path.encode()


def base_name(path: bytes) -> bytes:
    return path.rpartition(b"/")[2]


def grow(rng: random.Random, mount: bytes, count: int) -> list[bytes]:
    """The directories of a volume below one or two tops, which an alias may make the same."""
    below = b""
    length = rng.randint(0, 180)
    while len(below) < length:
        below += b"/" + (name(rng) or b"x")[:length]
    tops = [mount + b"/mdt%d" % number + below for number in range(rng.randint(1, 2))]
    found = [mount, *tops]
    while len(found) < count:
        above = rng.choice(found[-6:]) if rng.random() < 0.7 else rng.choice(found)
        if len(above) > 1500:
            above = tops[0]
        found.append(above + b"/" + name(rng, base_name(rng.choice(found[-3:]))))
        if rng.random() < 0.3:
            found += siblings(rng, found[-1])
    return found


def siblings(rng: random.Random, directory: bytes) -> list[bytes]:
    """Directories whose names differ from another's in one byte."""
    place = rng.randint(directory.rfind(b"/") + 1, len(directory))
    bytes_there = rng.sample(b"0123abc.", rng.randint(1, 4))
    return [directory[:place] + bytes([byte]) + directory[place + 1 :] for byte in bytes_there]


def attributes(rng: random.Random, entry: Entry, huge: bool) -> Entry:
    """An entry with a size, a time and links, most of them usual."""
    entry.size = rng.choice([0, 1, 4096, rng.getrandbits(16), rng.getrandbits(34), rng.getrandbits(rng.randint(1, 44))])
    if huge and rng.random() < 0.05:
        entry.size = rng.choice([2**63 - 1, 2**62, rng.getrandbits(63)])
    entry.mtime = rng.choice(TIMES) if rng.random() < 0.02 else entry.mtime - rng.getrandbits(rng.randint(1, 29))
    entry.inode = rng.getrandbits(rng.choice([10, 30, 57, 64]))
    if rng.random() < 0.12:
        entry.nlink = rng.choice([0, 0, 2, 2, 3, 7, 1000, 2**31, 2**64 - 1])
    return entry


def file_names(rng: random.Random) -> Iterator[bytes]:
    """The files of one directory, one after another: numbered, or each like the one before."""
    stem, suffixes = name(rng), rng.sample(SUFFIXES, 3)
    number, before = rng.randrange(10 ** rng.randint(1, 8)), b"x"
    while True:
        number += 1
        before = b"%b_%d" % (stem, number) if rng.random() < 0.85 else name(rng, before)
        suffix = rng.choice(suffixes).encode()
        if rng.random() < 0.1:
            suffix = rng.choice(rng.choice(list(FILETYPES.values()))).encode()
        if rng.random() < 0.2:
            suffix = suffix.swapcase()
        yield before + suffix


def vault_path(rng: random.Random, root: bytes) -> bytes:
    """A path in a vault: mostly a good key."""
    relative = b"/".join(name(rng) or b"?" for _ in range(rng.randint(1, 6)))
    branch = rng.choice(BRANCHES) if rng.random() < 0.9 else rng.choice(NO_BRANCHES)
    key = vault_key(rng.getrandbits(rng.choice([4, 12, 64])), relative)
    if rng.random() < 0.15:
        key = rng.choice(BAD_KEYS)
    elif rng.random() < 0.05:
        place = rng.randrange(len(key))
        key = key[:place] + rng.choice([b"", b"=", b"/", b"-", b"\0"]) + key[place + 1 :]
    return root + b"/.vault/" + branch + b"/" + key


def neighbour(rng: random.Random, entry: Entry) -> Entry:
    """An entry that is nearly the same as the one before it: what was kept of that must not be used too far."""
    path = path_of(entry)
    parent, _, last = path.rpartition(b"/")
    slash = parent.rfind(b"/")
    changed = parent[:-1] + rng.choice([b"a", b"/", b"."]) + b"/" + last
    return replace(
        entry,
        path=rng.choice([
            path + b"/" + last, path + b"/", path[:-1] + b"b", parent or b"/", changed, parent + b"//" + last,
            parent[: slash + 1] + last, path + b"x" * rng.choice([1, 31, 32, 33]), path,
        ]),
        gid=entry.gid if rng.random() < 0.6 else rng.choice(GIDS),
        uid=entry.uid if rng.random() < 0.6 else rng.choice(UIDS),
        type=rng.choice("fffdddl"),
        nlink=rng.choice([1, 1, 1, 2, 0]),
    )  # fmt: skip


def entries(rng: random.Random, directories: list[bytes], count: int, end: int) -> list[Entry]:
    """Files of one directory after another, the directories between them."""
    found: list[Entry] = []
    few = rng.randint(1, 3)
    owners = {path: (rng.choice(GIDS[:few]), rng.choice(UIDS[: 2 * few])) for path in directories}
    huge, spread, mixed = rng.random() < 0.1, rng.uniform(0, 4), rng.choice([0.0, 0.02, 0.2])
    in_vault, unseen, turn = rng.choice(directories), rng.choice([0.0, 0.5]), 0
    while len(found) < count:
        # Mostly the next one: sisters follow each other, some of them without a record of their own.
        turn = turn + 1 if rng.random() < 0.8 else rng.randrange(len(directories))
        directory = directories[turn % len(directories)]
        gid, uid = owners[directory]
        if rng.random() >= unseen:
            found.append(attributes(rng, Entry(directory, uid=uid, gid=gid, mtime=end, type="d"), huge=False))
        names = file_names(rng)
        for _ in range(int(rng.lognormvariate(spread, 1))):
            path = directory + b"/" + next(names)
            if directory == in_vault or rng.random() < 0.01:
                path = vault_path(rng, directory)
            kind = "f" if rng.random() < 0.93 else rng.choice("lsbcFXd")
            entry = attributes(rng, Entry(path, uid=uid, gid=gid, mtime=end, type=kind), huge)
            if rng.random() < mixed:
                entry.gid, entry.uid = rng.choice(GIDS), rng.choice(UIDS)
            found.append(entry)
            if rng.random() < mixed:
                found.append(neighbour(rng, entry))
            if len(found) > count:
                break
    return ordered(rng, found)


def ordered(rng: random.Random, found: list[Entry]) -> list[Entry]:
    """Entries as they are, sorted by path, or here and there out of order."""
    draw = rng.random()
    if draw < 0.4:
        return sorted(found, key=path_of)
    if draw < 0.5:
        rng.shuffle(found)
    elif draw < 0.7:
        for _ in range(len(found) // 20):
            first, second = rng.randrange(len(found)), rng.randrange(len(found))
            found[first], found[second] = found[second], found[first]
    return found


def written(rng: random.Random, entry: Entry, era: Era, slashed: bool) -> bytes:
    """The line of an entry without its newline; escapes and zeros here and there that need not be."""
    if slashed and entry.type == "d" and not path_of(entry).endswith(b"/"):
        entry = replace(entry, path=path_of(entry) + b"/")
    columns = entry.line(ENCODINGS[era.encoding], era.columns)[:-1].split(b"\t")
    if rng.random() < 0.02:
        column = rng.choice([1, 2, 3, 4, 5, 6, 8, 9, 10])
        columns[column] = columns[column].zfill(rng.choice([2, 7, 8, 9, 15, 16, 17, 19, 20, 21]))
    if rng.random() < 0.01:
        column = rng.choice([4, 6, 10])
        columns[column] = b"%d" % rng.getrandbits(rng.randint(1, 63))
    if rng.random() < 0.01 and era.encoding is Encoding.QUOTED:
        slash = rng.choice([b"\\x2f", b"\\x2F", b"\\u002f", b"\\U0000002F"])
        columns[0] = columns[0][::-1].replace(b"/", slash[::-1], rng.randint(1, 3))[::-1]
    return b"\t".join(columns)


def spoiled(rng: random.Random, line: bytes) -> bytes:
    """A line that something happened to; it may still be good."""
    columns = line.split(b"\t")
    place = rng.randrange(len(line))
    choice = rng.randrange(10)
    if choice < 3:
        column = rng.choice([number for number in range(1, len(columns)) if number != 7])
        digits = b"%d" % rng.getrandbits(rng.randint(1, 66))
        columns[column] = rng.choice([digits, digits.zfill(rng.randint(1, 24)), *rng.sample(BAD_NUMBERS, 4)])
    elif choice == 3:
        columns[7] = rng.choice([b"", b"D", b"ff", b"q", b"\xff", b"5", b"\0"])
    elif choice == 4:
        columns = columns[: rng.randint(1, len(columns))] if rng.random() < 0.5 else [*columns, b"1", b"2"]
    elif choice == 5:
        place = rng.randrange(len(columns[0]) + 1)
        columns[0] = columns[0][:place] + rng.choice(INSERTED) + columns[0][place + rng.randint(0, 4) :]
    elif choice == 6:
        return line[:place] + rng.choice([b"", *INSERTED]) + line[place + rng.randint(0, 3) :]
    elif choice == 7:
        return rng.choice([*BLANKS, b"\xef\xbb\xbf" + line, line + b"\r", line + b"\t"])
    elif choice == 8:
        return rng.randbytes(rng.randint(0, 300)).replace(b"\n", b"")
    else:
        path = columns[0]
        columns[0] = rng.choice([path[1:], path * 2, path + b"QUFB", path[:-1] + b'x"', *rng.sample(BAD_PATHS, 3)])
    return b"\t".join(columns)


def over_long(rng: random.Random, line: bytes) -> bytes:
    """A line about as long as the longest that is read, by zeros before a number or by its path."""
    length = rng.choice([LONGEST_LINE - 1, LONGEST_LINE, LONGEST_LINE + 1, LONGEST_LINE + 7, 3 * LONGEST_LINE])
    if line.startswith(b'"/') and rng.random() < 0.5:
        return b'"/' + b"y/" * ((length - len(line)) // 2) + line[2:]
    path, _, rest = line.partition(b"\t")
    return path + b"\t" + b"0" * (length - len(line)) + rest


def text_of(rng: random.Random, found: Iterable[Entry], era: Era, slashed: bool) -> bytes:
    """A dump's text, with as many spoiled lines as the site has luck."""
    share = rng.choice([0, 0, 0.001, 0.01, 0.1])
    carriage = rng.random() < 0.02
    lines = []
    for entry in found:
        line = written(rng, entry, era, slashed)
        if rng.random() < share:
            # What is kept of a good line must not help a bad one that begins like it.
            lines += [line] * rng.choice([0, 0, 1])
            line = spoiled(rng, line)
        if carriage and rng.random() < 0.3:
            line += b"\r"
        lines.append(line)
    for _ in range(rng.choice([0, 0, 1, 4])):
        place = rng.randrange(len(lines))
        lines.insert(place, over_long(rng, lines[place]))
    return b"\n".join(lines) + (b"\n" if rng.random() < 0.9 else b"")


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


def base_directories(rng: random.Random, found: list[Entry]) -> list[tuple[int, bytes]]:
    """Paths of records, of directories mostly, and what is above them; some end in a slash."""
    directories = [entry for entry in found if entry.type == "d"] or found
    pairs = [(entry.gid, path_of(entry)) for entry in rng.choices(directories, k=rng.randint(1, 12))]
    for entry in rng.choices(found, k=rng.choice([1, 5, 40])):
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


def configuration(rng: random.Random, found: list[Entry]) -> str:
    """The tables of lurge.toml below [identity]: filetypes, aliases, pseudo groups, ranks."""
    lines = [f"[mpi]\nblock_records = {rng.choice([1, 10, 250, 1000])}\nworkers_per_volume = {rng.randint(1, 3)}"]
    if rng.random() < 0.7:
        lines.append("[filetypes]")
        lines += [f"{label} = {as_toml(suffixes)}" for label, suffixes in FILETYPES.items() if rng.random() < 0.8]
    if rng.random() < 0.5:
        lines.append("[path_aliases]")
        lines.append(rng.choice(["'/lustre/(scratch[0-9]*)/mdt[0-9]' = '/known/\\1'", "'/lustre/[^/]*/mdt1' = '/one'"]))
    paths = set()
    for entry in rng.choices(found, k=rng.choice([0, 0, 1, 3])):
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
    volumes: list[Made] = []
    everything: list[Entry] = []
    for volume in names:
        day = TODAY - timedelta(days=rng.randint(0, 3))
        era, slashed = rng.choice(SLASHED)
        count = int(10 ** rng.triangular(2.3, 4.4, 2.8))
        directories = grow(rng, f"/lustre/{volume}".encode(), rng.randint(3, 10 + count // rng.randint(5, 50)))
        found = entries(rng, directories, count, last_second(day))
        volumes.append(Made(volume, era, text_of(rng, found, era, slashed)))
        publish(rng, site, volume, day, volumes[-1].text)
        everything += found
    site.base_directories(*base_directories(rng, everything))
    site.configure(configuration(rng, everything), "max_rejected_fraction = 1.0")
    return World(seed, rng, site, volumes)


def twin_report(rules: Rules, text: bytes) -> VolumeReport:
    lines = text.split(b"\n")
    if not lines[-1]:
        lines.pop()
    plain = PlainAggregator(rules)
    for number, line in enumerate(lines, 1):
        plain.add(line, number)
    return plain.report(len(lines))


def kernel_report(rng: random.Random, rules: Rules, made: Made, dump: Dump) -> VolumeReport:
    """What the kernel makes of a dump that is cut anyhow, read by several and merged in any order."""
    parts = [StandardPass(rules) for _ in range(rng.randint(1, 3))]
    buffer_bytes = rng.choice([2 << 20, 1 << 16, rng.randint(1 + len(made.text) // 1000, 1 + len(made.text))])
    block_lines = rng.choice([1, 2, 7, 50, 250, 1000])
    lines = 0
    with closing(DumpReader(dump.path)) as reader:
        for batch in cut(reader.read_into, block_lines, Buffers(buffer_bytes)):
            rng.choice(parts).add(batch.text, batch.first_line)
            lines += batch.lines
    rng.shuffle(parts)
    merged = StandardPass(rules)
    for part in parts:
        merged.merge(part.export())
    return merged.report(lines)


def compare(what: str, expected: Iterable[object], found: Iterable[object]) -> None:
    """Raise Difference, with the first rows that only one has."""
    left, right = Counter(map(repr, expected)), Counter(map(repr, found))
    if left == right:
        return
    shown = [f"{what} differ"]
    for sign, only in (("expected", left - right), ("found", right - left)):
        shown += [f"  {sign} {count} x {row[:600]}" for row, count in sorted(only.items())[:ROWS_SHOWN]]
    raise Difference("\n".join(shown))


def compare_reports(volume: str, twin: VolumeReport, kernel: VolumeReport) -> None:
    compare(f"{volume}: counts", [twin.counts], [kernel.counts])
    for one in fields(VolumeReport):
        if one.name != "counts":
            compare(f"{volume}: {one.name}", getattr(twin, one.name), getattr(kernel, one.name))
    if twin != kernel:
        raise Difference(f"{volume}: the order of rows differs")


def check_volume(world: World, made: Made) -> VolumeReport:
    """Read a volume with the twin and twice with the kernel; returns what the twin says."""
    config = load_config(world.site.config)
    volume = next(one for one in config.dumps.volumes if one.name == made.name)
    dump = newest_dump(config.dumps.directory, volume, datetime.now(UTC).date(), config.dumps.max_days_ago)
    with closing(OpenDump(dump.path)) as opened:
        compare(f"{made.name}: eras", [made.era], [opened.era])
    rules = rules_of(task_of(config, dump), made.era)
    twin = twin_report(rules, made.text)
    for _ in range(2):
        kernel = kernel_report(world.rng, rules, made, dump)
        compare_reports(made.name, twin, kernel)
    return twin


def storable(report: VolumeReport) -> bool:
    """Whether few enough lines of a volume are rejected."""
    return report.counts.rejected <= report.counts.records


def held(size: int) -> int:
    """A size as the database holds it."""
    return min(size, LARGEST)


MINE = " where volume_id = (select volume_id from volume where scratch_disk = '{}')"
FILE_SIZES = """select b.directory_path, d.directory_path, group_name, filetype_name, f.size_bytes from file_size f
    join directory d using (directory_id) join base_directory b using (base_directory_id)
    join unix_group using (group_id) join filetype using (filetype_id)"""

Rows = list[tuple[object, ...]]


def expected_rows(site: Site, made: Made, report: VolumeReport) -> dict[str, Rows]:
    """By query: the rows that a report should become."""
    config = load_config(site.config)
    names = Names(make_identity(config.identity), config.pseudo_groups)
    volume = next(one for one in config.dumps.volumes if one.name == made.name)
    end = newest_dump(config.dumps.directory, volume, datetime.now(UTC).date(), config.dumps.max_days_ago).time
    group = {row.gid: names.group(row.gid) for row in report.users}
    user = {row.uid: names.user(row.uid) for row in report.users}

    def days(mtime: int) -> int:
        return min((end - mtime) // SECONDS_A_DAY, MOST_DAYS)

    def day(mtime: int) -> str:
        return date_of(mtime).isoformat()

    c = report.counts
    sizes = (held(c.attributed_bytes), held(c.unattributed_bytes))
    return {
        GROUPS: [(r.base, group[r.gid].name, group[r.gid].pi, held(r.size), days(r.newest)) for r in report.groups],
        DIRECTORIES: [
            (r.base, stored_path(r.subdirectory), group[r.gid].name, r.files, held(r.size), days(r.newest))
            for r in report.directories
        ],
        FILE_SIZES: [
            (r.base, stored_path(r.subdirectory), group[r.gid].name, filetype.name, held(size))
            for r in report.directories
            for filetype, size in zip(config.filetypes, r.filetype_sizes, strict=True)
            if size
        ],
        USERS: [(user[r.uid], group[r.gid].name, held(r.size), day(r.newest), r.files) for r in report.users],
        VAULT: [(r.path, r.state, r.size, user[r.uid], group[r.gid].name, day(r.mtime)) for r in report.vault],
        UNATTRIBUTED: [(group[r.gid].name, held(r.size), r.records) for r in report.unattributed],
        SUMMARY: [(c.records, c.attributed, c.unattributed, c.vanished, c.rejected, *sizes)],
    }


def check_stored(site: Site, made: Made, report: VolumeReport) -> None:
    for query, rows in expected_rows(site, made, report).items():
        table = query.partition("from ")[2].split()[0]
        expected = rows if storable(report) else []
        compare(f"{made.name}: the rows of {table}", expected, site.rows(query + MINE.format(made.name)))


def lines_of(content: list[str] | bytes) -> Iterable[object]:
    return content.split(b"\n") if isinstance(content, bytes) else content


def check_commands(world: World, reports: list[VolumeReport]) -> int:
    """Run the command alone and on several ranks; returns how often it ran."""
    site, good = world.site, sum(map(storable, reports))
    status = 0 if good == len(reports) else 3 if good else 1
    site.run("--quiet", status=status)
    if good:
        for made, report in zip(world.volumes, reports, strict=True):
            check_stored(site, made, report)
    alone: dict[str, list[str] | bytes] = {"database": site.sql(), **site.tsv_bytes()}
    (site.folder / "out").rename(site.folder / "alone")
    ranks = world.rng.randint(2, 6)
    site.run("--quiet", "-n", str(ranks), status=status)
    several: dict[str, list[str] | bytes] = {"database": site.sql(), **site.tsv_bytes()}
    compare(f"the files that {ranks} ranks write", alone, several)
    for file, content in alone.items():
        compare(f"{file}, alone and with {ranks} ranks,", lines_of(content), lines_of(several[file]))
    if alone != several:
        raise Difference(f"what {ranks} ranks write is in another order")
    return 2


def soak(seed: int, until: float, totals: Totals) -> bool:
    """Try one world after another; returns whether nothing differed."""
    while time.monotonic() < until:
        folder = Path(tempfile.mkdtemp(prefix="lurge-soak-", suffix=f"-{seed}"))
        try:
            world = make_world(seed, folder)
            reports = [check_volume(world, made) for made in world.volumes]
            if world.rng.random() < COMMAND_SHARE:
                totals.commands += check_commands(world, reports)
        except Exception as error:
            print(error if isinstance(error, Difference) else traceback.format_exc())
            print(f"kept: {folder}\nagain: python -m tests.soak --seed {seed}")
            return False
        totals.worlds += 1
        totals.records += sum(report.counts.records for report in reports)
        shutil.rmtree(folder)
        seed += 1
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare kernel, twin and command on random worlds.")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="how long, %(default)s unless told")
    parser.add_argument("--seed", type=int, help="the first world's; from the clock unless told")
    options = parser.parse_args()
    seed = time.time_ns() // 10**6 if options.seed is None else options.seed
    # A crash says nothing: then the last folder is the world.
    print(f"seed {seed}, worlds in {tempfile.gettempdir()}/lurge-soak-*", flush=True)
    started = time.monotonic()
    totals = Totals()
    good = soak(seed, started + 60 * options.minutes, totals)
    seconds = time.monotonic() - started
    print(f"{totals.worlds} worlds, {totals.records:,} records, {totals.commands} commands, {seconds:.0f} s")
    sys.exit(not good)


if __name__ == "__main__":
    main()
