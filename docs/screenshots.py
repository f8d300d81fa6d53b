"""Take the pictures of docs/pages.md, of a synthetic site: `make screenshots`.

The site is that of `lurge synth`, with some weeks of history in which some groups grow, some tidy up and some rest. The
newest report is of today. Everything but the dates is the same each time.
"""

from __future__ import annotations

import csv
import gzip
import subprocess
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import sync_playwright

from lurge.source.synth.write import World, make_world
from tests.browser.server import serving

IMAGES = Path(__file__).parent / "images"
LARGEST = 150_000
CHROMIUM = "/usr/bin/chromium"
DAYS_AGO = (42, 35, 28, 24, 21, 17, 14, 10, 7, 5, 3, 2, 1, 0)
VOLUMES = ("scratch101", "scratch102")
KEPT, SMALLEST, MAGNITUDES = 12, 12, 24
"""One of so many files is kept. Sizes are from 2^SMALLEST bytes on, over so many powers of two."""

SECONDS_A_DAY = 86400
PICTURES = (
    ("overview", "/", 1200, 900, "light"),
    ("groups", "/groups", 1200, 900, "light"),
    ("group", "/group?name=malaria", 1200, 900, "light"),
    ("tree", "/tree?volume=scratch101&path=/lustre/scratch101/humgen/projects/cancer-0", 1200, 900, "dark"),
    ("phone", "/groups?sort=-used", 380, 1000, "dark"),
)
"""(name, address, width, height, colours)"""


def changed(lines: Iterator[bytes], days_ago: int, sums: Counter[int]) -> Iterator[bytes]:
    """Yield the lines of a day with steady sizes. sums: bytes of each gid, which are added to.

    The groups take turns: the first grows evenly, the second slowly, the third tidies up, the fourth rests.
    """
    for line in lines:
        fields = line.rstrip(b"\n").split(b"\t")
        gid, chance = int(fields[3]), zlib.crc32(fields[0])
        turn = gid % 4
        if fields[7] == b"f" and fields[9] == b"1":
            share = (100 - days_ago, 100 - days_ago // 4, 70 + days_ago // 2, 90)[turn]
            if chance % KEPT or chance // KEPT % 100 >= share:
                continue
            fields[1] = fields[11] = b"%d" % 2 ** (SMALLEST + MAGNITUDES * (chance % 9973) / 9973)
            sums[gid] += int(fields[1])
        if turn == 3:
            for column in (4, 5, 6):
                fields[column] = b"%d" % (int(fields[column]) - (60 + gid * 37 % 700) * SECONDS_A_DAY)
        yield b"\t".join(fields) + b"\n"


def make_site(folder: Path) -> Path:
    """Make a site with its history; returns its configuration."""
    today = datetime.now(UTC).date()
    for days_ago in DAYS_AGO:
        sums = {volume: Counter[int]() for volume in VOLUMES}
        world = World(
            seed=11, volumes=VOLUMES, records=130_000, eras=("6.4",), dates=1, newest=today - timedelta(days=days_ago),
            teams=16, people=40,
        )  # fmt: skip
        for (path, _), volume in zip(make_world(world, folder), VOLUMES, strict=True):
            lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
            path.write_bytes(gzip.compress(b"".join(changed(iter(lines), days_ago, sums[volume])), 1))
    write_quotas(folder, sums)
    config = folder / "lurge.toml"
    config.write_text(config.read_text().replace("max_days_ago = ", "max_days_ago = 99 # "))
    return config


def write_quotas(folder: Path, sums: dict[str, Counter[int]]) -> None:
    """Write quotas that some groups exceed, or will soon."""
    names = {int(row[0]): row[1] for row in csv.reader((folder / "groups.tsv").open(), delimiter="\t")}
    for volume, used in sums.items():
        lines = ["group,limit\n"]
        for gid, name in names.items():
            factor = (1.04, 1.3, 2.1, 0.98)[gid % 4]
            lines.append(f"{name},{int(used[gid] * factor) // 1024 + 1024}\n")
        (folder / "quotas" / f"{volume}.csv").write_text("".join(lines))


def main() -> None:
    """Make the site, serve it and take the pictures."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = make_site(folder)
        for command in ("backfill", "report"):
            subprocess.run([sys.executable, "-m", "lurge", command, "--config", config, "--quiet"], check=True)
        with serving(config, folder / "serve.log") as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM)
            for name, path, width, height, scheme in PICTURES:
                page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
                page.goto(address + path)
                page.wait_for_load_state("networkidle")
                file = IMAGES / f"{name}.png"
                page.screenshot(path=file)
                page.close()
                if file.stat().st_size > LARGEST:
                    sys.exit(f"{file} has {file.stat().st_size:,} bytes, more than {LARGEST:,}")
            browser.close()


if __name__ == "__main__":
    main()
