"""A site whose every name is an attack on a page: of groups, PIs, people, filetypes, volumes, paths and vaults."""

from __future__ import annotations

import csv
import os
from datetime import timedelta
from pathlib import Path

from lurge.source.synth.world import vault_key
from tests.inventories import FIRST, row, write_inventory
from tests.site import DUMP_TIME, Entry, Site

DAY = 86400
DAYS = ("20240117", "20240124", "20240129", "20240130", "20240131")

SCRIPT = "<script>window.hacked = 1</script>"
IMAGE = '"><img src=x onerror="window.hacked = 2">'
QUOTES = 'it\'s `"quoted"` &amp; {{ 7 * 7 }} ${7*7}'
RIGHT_TO_LEFT = "\u202egpj.exe\u2066"
LONG = "long-" + "x" * 3995
NAMES = (SCRIPT, IMAGE, QUOTES, RIGHT_TO_LEFT, LONG)

VOLUME = "<img src=x onerror=window.hacked=3>"
TOP = f"/lustre/{VOLUME}"
ANY_NAME = (
    SCRIPT.replace("/", "\u2044").encode(),
    IMAGE.encode(),
    QUOTES.encode(),
    RIGHT_TO_LEFT.encode(),
    b"caf\xe9 \xff\xfe",
    b"\x1b[31m%s %2e%2e",
    b'<a href="https:example.org">link',
    b"new\nline\r\t",
)
"""Names of directories; a path may hold any byte but a slash and a zero."""
DEEP = b"/".join([b"deep" * 60] * 16)

EXTRA = """
[filetypes]
"<script>window.hacked=5</script>" = [".bam"]
"\u202egepj" = [".log"]
"'\\"><i>" = [".txt"]
[quota]
providers = ["csv"]
csv_directory = "quotas"
"""


def entries(growth: int) -> list[Entry]:
    """The records of a day: some directories for each group, of which the first grows."""
    top = TOP.encode()
    made = [Entry(top, 4096, type="d", gid=0, uid=0)]
    for number, name in enumerate((*ANY_NAME, DEEP)):
        base = top + b"/teams/" + name
        for file in range(1, 14):
            age = 30 * file * DAY if number else 0
            suffix = (b".bam", b".log", b".txt", b"")[file % 4]
            path = base + b"/%d" % (file % 3) + b"/" + name[:200].replace(b"/", b"-") + b"%d" % file + suffix
            size = 10**9 * file * (growth if number == 0 else 1)
            made.append(Entry(path, size, uid=1 + file % 6, gid=10 + number % len(NAMES), mtime=DUMP_TIME - age))
        key = vault_key(number + 1, b"0/" + name[:180])
        made.append(Entry(base + b"/.vault/keep/" + key, 5000 + number, uid=1, gid=10 + number, nlink=2))
    return made


def build(folder: Path) -> Site:
    """The site with reports of some days, the newest of which failed for a volume that has no dump."""
    site = Site(folder, volumes=[VOLUME, "gone"], extra=EXTRA, has_tree=True)
    for names_of, first in (("groups.tsv", 10), ("users.tsv", 1)):
        columns = [[str(first + number), name] for number, name in enumerate(NAMES)]
        if names_of == "groups.tsv":
            columns = [[*row, NAMES[number - 1]] for number, row in enumerate(columns)]
        text = "".join("\t".join(row) + "\n" for row in columns).encode()
        (folder / names_of).write_bytes(text + b"%d\tinvalid \xff\xe9\n" % (first + len(NAMES)))
    (folder / "quotas").mkdir()
    with (folder / "quotas" / f"{VOLUME}.csv").open("w", newline="") as file:
        rows = [(name[:255], 500_000_000 if number == 0 else 150_000_000 * number) for number, name in enumerate(NAMES)]
        csv.writer(file).writerows([("group", "limit"), *rows])
    bases = [
        (10 + number % len(NAMES), TOP.encode() + b"/teams/" + name)
        for number, name in enumerate((*ANY_NAME, DEEP))
        if b"\n" not in name
    ]
    site.base_directories(*bases)
    for number, day in enumerate(DAYS):
        site.dump(*entries(number + 1), volume=VOLUME, day=day)
    for name in ANY_NAME:
        work = os.fsencode(folder / "works") + b"/" + name + b"/" + name
        os.makedirs(work)
        with open(work + b"/1.jpg", "wb"):
            pass
    for number in range(2):
        keys = [f"{name[:400]}/{name[:400]}/{number}" for name in NAMES]
        rows = [
            row(key, 7**number, StorageClass=name, IsLatest=number == 0) for key, name in zip(keys, NAMES, strict=True)
        ]
        write_inventory(folder / "inventories", [rows], FIRST + timedelta(days=number))
    write_events(folder)
    return site


def write_events(folder: Path) -> None:
    """Write files of events, one with each name as its own, and with lines that are names."""
    header = "transaction_id,event_type,date,store_number,item_number,value\n"
    largest = 2**63 - 1
    for number, name in enumerate(NAMES[:-1]):
        item = f"{number},{largest}"
        lines = [
            f"{number:08}-0000-4000-8000-{day:012},{kind},2024-01-{day}T00:00:00Z,{item},{value}\n"
            for day, kind, value in ((10, "incoming", 5), (11, "sale", 2), (12, "incoming", 7), (13, "sale", largest))
        ]
        path = folder / "events" / f"{name.replace('/', chr(0x2044))}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes((header + "".join(lines)).encode() + b"\n".join(ANY_NAME) + b"\n" + LONG.encode())
