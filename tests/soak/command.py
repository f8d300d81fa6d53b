"""What `lurge report` stores and writes for a world, compared with the twin and between numbers of ranks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from lurge.config import load_config
from lurge.enrich.identity import Names, make_identity
from lurge.model.dump import MOST_DAYS, SECONDS_A_DAY, date_of
from lurge.model.report import VolumeReport
from lurge.model.stored import LARGEST
from lurge.source.finding import newest_dump
from lurge.store.usage.steps import stored_path
from tests.hostile.worlds import MadeVolume, World
from tests.site import DIRECTORIES, GROUPS, SUMMARY, UNATTRIBUTED, USERS, VAULT, Site
from tests.soak.compare import Difference, check_volume, compare

COMMAND_SHARE = 0.12
"""The share of worlds for which the command runs."""

MINE = " where volume_id = (select volume_id from volume where scratch_disk = '{}')"
FILE_SIZES = """select b.directory_path, d.directory_path, group_name, filetype_name, f.size_bytes from file_size f
    join directory d using (directory_id) join base_directory b using (base_directory_id)
    join unix_group using (group_id) join filetype using (filetype_id)"""

Rows = list[tuple[object, ...]]


def storable(report: VolumeReport) -> bool:
    """True if few enough lines of a volume are rejected."""
    return report.counts.rejected <= report.counts.records


def held(size: int) -> int:
    """A size as the database holds it."""
    return min(size, LARGEST)


def expected_rows(site: Site, made: MadeVolume, report: VolumeReport) -> dict[str, Rows]:
    """By query: the rows that a report should become."""
    config = load_config(site.config)
    names = Names(make_identity(config.identity), config.pseudo_groups)
    volume = next(volume for volume in config.dumps.volumes if volume.name == made.name)
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


def check_stored(site: Site, made: MadeVolume, report: VolumeReport) -> None:
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


def check_world(world: World) -> tuple[list[VolumeReport], int]:
    """Check every volume, and in some worlds the command; returns the reports, and how often the command ran."""
    reports = [check_volume(world, volume) for volume in world.volumes]
    return reports, check_commands(world, reports) if world.rng.random() < COMMAND_SHARE else 0
