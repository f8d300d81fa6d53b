"""Buckets in the nightly report, beside a file system: exact, on any number of ranks."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from tests.inventories import FIRST, ask, load, row, write_inventory
from tests.site import Site, run_lurge

HOSTILE = ["a//b.bam", "/leading", "folder/", "tab\t", 'quote"', "new\nline", "é.cram", "back\\slash", "x" * 1000, ".."]
CONFIGURATION = """
[[lake.owners]]
prefix = "archive/team1/"
gid = 15001
uid = 7
[[lake.owners]]
prefix = "archive/team1/deep"
gid = 15002
"""


def configure(site: Site) -> None:
    site.has_tree = True
    site.configure(CONFIGURATION)
    text = site.config.read_text()
    before, _, after = text.partition("volumes = [")
    site.config.write_text(f'{before}volumes = [{{ name = "bucket", inventory = "archive" }}, {after}')


def objects(day: int) -> list[dict[str, object]]:
    """The rows of an inventory: files, old versions and delete markers."""
    rows = [row(f"team1/run{number}.bam", number) for number in range(50 + day)]
    rows += [row(f"team1/deep/{number}", 1000, LastModifiedDate=FIRST - timedelta(days=number)) for number in range(20)]
    rows += [row(f"team10/{number}", 7, ObjectOwner="15009") for number in range(5)]
    rows += [row(key, 11, ObjectOwner="75aa57f0") for key in HOSTILE]
    rows += [row("team1/run1.bam", 500, IsLatest=False, VersionId=f"old{number}") for number in range(3)]
    rows += [row("team1/gone", None, IsDeleteMarker=True)]
    return rows


@pytest.fixture
def written(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    site.dump()
    site.base_directories((15001, "/lustre/scratch119/a"))
    configure(site)
    monkeypatch.chdir(site.config.parent)
    columns = ("Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker", "Size", "LastModifiedDate", "ObjectOwner")
    for day in range(2):
        rows = objects(day)
        write_inventory(Path(), [rows[:30], rows[30:]], FIRST + timedelta(days=day), columns)
    assert load("reports").exit_status == 0
    return site


@pytest.mark.parametrize("ranks", [1, 3, 5])
def test_the_bytes_of_the_report_are_those_of_the_lake(written: Site, ranks: int) -> None:
    done = run_lurge("report", "--config", str(written.config), "-n", str(ranks))
    assert done.returncode == 0, done.stderr
    (newest,) = ask("SELECT sum(size)::BIGINT AS bytes, count(*) FILTER (NOT isdeletemarker) AS n FROM latest")
    rows = written.rows(
        "select attributed_bytes, unattributed_bytes, records, record_date from volume_summary"
        " join volume using (volume_id) where scratch_disk = 'bucket'"
    )
    assert rows == [(newest["bytes"], 0, newest["n"], "2024-01-02")]
    used = dict(written.rows(
        "select group_name, sum(used) from lustre_usage join unix_group on group_id = unix_id"
        " join base_directory using (base_directory_id) where directory_path like '/archive%' group by 1"
    ))  # fmt: skip
    team1 = sum(range(51)) + 3 * 500
    assert used["15001"] == team1
    assert used["15002"] == 20 * 1000
    assert used["15009"] == 5 * 7
    assert sum(used.values()) == newest["bytes"]
    assert len(used) == 4
    # Old versions are no files.
    files = written.rows(
        "select sum(num_files) from directory join base_directory b using (base_directory_id)"
        " where b.directory_path like '/archive%'"
    )
    assert files == [(newest["n"] - 3,)]
    assert written.rows("select sum(size) from user_usage join user using (user_id) where user_name = '7'") == [
        (team1,)
    ]


def test_both_days_are_history_and_the_tree_holds_the_bucket(written: Site) -> None:
    assert run_lurge("report", "--config", str(written.config)).returncode == 0
    assert run_lurge("backfill", "--config", str(written.config)).returncode == 0
    days = written.rows(
        "select record_date, attributed_bytes from volume_summary join volume using (volume_id)"
        " where scratch_disk = 'bucket' order by 1"
    )
    sums = ask("SELECT dt::VARCHAR AS day, sum(size)::BIGINT AS bytes FROM objects GROUP BY 1 ORDER BY 1")
    assert days == [(one["day"], one["bytes"]) for one in sums]
    shown = run_lurge("tree", "/archive/team1", "--config", str(written.config)).stdout
    assert "deep/" in shown
    assert run_lurge("doctor", "--config", str(written.config)).returncode in (0, 3)


def test_what_is_stored_is_not_read_again_until_something_changes(written: Site) -> None:
    assert run_lurge("report", "--config", str(written.config)).returncode == 0
    said = run_lurge("report", "--config", str(written.config), "--verbose").stderr
    assert "bucket: 2024-01-02 is stored already" in said
    load("reports", force=True)
    again = run_lurge("report", "--config", str(written.config), "--verbose").stderr
    assert "bucket: 2024-01-02 is stored already" not in again


def test_a_bucket_without_an_inventory_is_a_missing_dump(site: Site) -> None:
    site.dump()
    site.base_directories((15001, "/lustre/scratch119/a"))
    configure(site)
    done = run_lurge("report", "--config", str(site.config))
    assert done.returncode == 3
    assert "no inventory of archive is in the lake" in done.stderr


def test_an_expired_inventory_is_not_reported(written: Site) -> None:
    from lurge.store.lake.tidy import expire
    from tests.inventories import lake

    expire(lake(), 1)
    done = run_lurge("report", "--config", str(written.config))
    assert done.returncode == 3
    assert "no inventory of archive is in the lake" in done.stderr


def test_a_dump_that_is_still_read_is_not_removed(written: Site) -> None:
    assert run_lurge("report", "--config", str(written.config)).returncode == 0
    (folder,) = (written.folder / "out" / "buckets").iterdir()
    os.utime(folder, (0, 0))
    other = "other"
    write_inventory(Path(), [[row("a", 5)]], FIRST, bucket=other)
    load("reports")
    text = written.config.read_text().replace(
        'volumes = [{ name = "bucket"', f'volumes = [{{ name = "{other}", inventory = "{other}" }}, {{ name = "bucket"'
    )
    written.config.write_text(text)
    done = run_lurge("report", "--force", "--config", str(written.config))
    assert done.returncode == 0, done.stderr
