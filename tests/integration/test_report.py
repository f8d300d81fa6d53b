"""`lurge report` from dumps to tables and TSVs."""

from __future__ import annotations

import gzip
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from tests.site import (
    DIRECTORIES,
    DUMP_TIME,
    FILE_SIZES,
    GROUPS,
    SUMMARY,
    UNATTRIBUTED,
    USERS,
    VAULT,
    Entry,
    Site,
)

DAY = 86400


@pytest.mark.parametrize(("encoding", "columns"), [("standard", 11), ("sorted", 11), ("quoted", 11), ("quoted", 12)])
def test_every_era_gives_the_same_report(site: Site, encoding: str, columns: int) -> None:
    site.base_directories((10, "/p/foo"), (10, "/p/foo/in"), (11, "/p/foo"))
    slash = "/" if encoding == "quoted" else ""
    site.dump(
        Entry(f"/p/foo{slash}", 4096, type="d", nlink=9, mtime=DUMP_TIME - 3 * DAY),
        Entry("/p/foo/a.bam", 101, nlink=2),
        Entry("/p/foo/in/x/b.VCF.gz", 7, mtime=DUMP_TIME + 5),
        Entry("/p/foo/users/ab/c", 8, uid=2),
        Entry("/p/foo/users/d", 9),
        Entry("/p/foobar/e", 10),
        Entry("/p/foo/é\udcff/f".encode("utf-8", "surrogateescape"), 11, gid=11, uid=99),
        Entry("/p/foo/gone", 1000, nlink=0),
        Entry("/p/foo/link", 12, type="l"),
        encoding=encoding,
        columns=columns,
    )
    site.run()
    assert site.rows(GROUPS) == [
        ("/p/foo", "eleven", None, 11, 1),
        ("/p/foo", "ten", "Dr Ten", 4096 + 50 + 8 + 9 + 12, 1),
        ("/p/foo/in", "ten", "Dr Ten", 7, 0),
    ]
    assert site.rows(DIRECTORIES) == [
        ("/p/foo", ".", "ten", 1, 50, 1),
        ("/p/foo", "users", "ten", 1, 9, 1),
        ("/p/foo", "users/ab", "ten", 1, 8, 1),
        ("/p/foo", "é\\xff", "eleven", 1, 11, 1),
        ("/p/foo/in", "x", "ten", 1, 7, 0),
    ]
    assert site.rows(FILE_SIZES) == [(".", "BAM", 50), ("x", "VCF (gzip)", 7)]
    assert site.rows(USERS) == [
        ("99", "eleven", 11, "2024-01-30", 1),
        ("due", "ten", 8, "2024-01-30", 1),
        ("uno", "ten", 4096 + 50 + 7 + 9 + 10 + 12, "2024-01-31", 4),
    ]
    assert site.rows(UNATTRIBUTED) == [("ten", 10, 1)]
    assert site.rows(SUMMARY) == [(9, 7, 1, 1, 0, 4193, 10)]


def test_pseudo_groups_and_aliases_change_where_records_count(site: Site) -> None:
    site.configure(
        "[path_aliases]\n'/l/mdt[0-9]' = '/l/known'\n"
        '[[pseudo_groups]]\npath = "/l/mdt1/casm"\ngid = -1\nname = "casm-all"\npi = "Prof C"\n'
        '[[pseudo_groups]]\npath = "/l/mdt1/casm/deep"\ngid = -2\nname = "deep"\n'
    )
    site.base_directories((10, "/l/mdt1/t"), (10, "/l/mdt2/t"), (-1, "/l/mdt3"), (10, "/l/mdt1/casm"))
    site.dump(
        Entry("/l/mdt1/t/a/x", 1),
        Entry("/l/mdt2/t/a/y", 2),
        Entry("/l/mdt1/casm/b", 4, gid=10),
        Entry("/l/mdt1/casm", 8, gid=11, type="d"),
        Entry("/l/mdt1/casm/deep/z/w", 16, gid=5),
        Entry("/l/mdt1/casmic", 32, gid=5),
        Entry("/l/mdt1/t/.vault/keep/07-YS93aHk_Pz8udHh0", 64),
        Entry("/l/mdt1/casm/.vault/.limbo/07-YQ==", 128, nlink=2),
    )
    site.run()
    assert site.rows(GROUPS) == [
        ("/l/known/casm", "casm-all", "Prof C", 4 + 8 + 64, 1),
        ("/l/known/casm/deep", "deep", None, 16, 1),
        ("/l/known/t", "ten", "Dr Ten", 1 + 2 + 64, 1),
    ]
    assert ("/l/known/t", "a", "ten", 2, 3, 1) in site.rows(DIRECTORIES)
    assert site.rows(UNATTRIBUTED) == [("5", 32, 1)]
    assert site.rows(VAULT) == [
        ("/l/known/casm/a", "Limbo", 128, "uno", "casm-all", "2024-01-30"),
        ("/l/known/t/a/why???.txt", "Keep", 64, "uno", "ten", "2024-01-30"),
    ]
    assert site.rows("select vault_action_id, action_name from vault_actions") == [
        (1, "Keep"), (2, "Archive"), (3, "Limbo"),
    ]  # fmt: skip


def test_every_tsv_has_its_columns_and_rows(site: Site) -> None:
    site.volumes = ["scratch101", "scratch102"]
    site.configure("[filetypes]\nZ = ['.z']\nA = ['.a']\n")
    site.base_directories((10, "/p"))
    site.dump(
        Entry("/p/t\tb\\/x.z", 3 * 2**29),
        Entry("/p/.vault/archive/07-YQ==", 5, uid=7),
        Entry("/q", 2**20, gid=11, mtime=-1),
    )
    site.dump(Entry("/p/y", 2**19), volume="scratch102", day="20240130")
    site.run()
    total = 3 * 2**29 + 5
    assert site.tsv("report-output-files") == [
        ["Top Level Path", "PI", "Group", "Usage (bytes)", "Quota (bytes)", "Last Modified (days)"],
        ["/p", "Dr Ten", "ten", str(total), "-", "1"],
        ["/p", "Dr Ten", "ten", str(2**19), "-", "0"],
    ]
    assert site.tsv("inspector-reports") == [
        ["Base Path", "Directory", "Size", "A", "Z", "Num Files", "Last Modified", "PI", "Group"],
        ["/p", ".", "512.0 KiB", "0 B", "0 B", "1", "0", "Dr Ten", "ten"],
        ["/p", ".vault", "5 B", "0 B", "0 B", "1", "1", "Dr Ten", "ten"],
        ["/p", r"t\tb\\", "1.5 GiB", "0 B", "1.5 GiB", "1", "1", "Dr Ten", "ten"],
    ]
    assert site.tsv("user-reports") == [
        ["username", "data", "group", "scratch101", "scratch102"],
        ["7", "mtime", "ten", "2024-01-30", "-"],
        ["7", "size", "ten", "0.0", "0"],
        ["uno", "mtime", "eleven", "1969-12-31", "-"],
        ["uno", "mtime", "ten", "2024-01-30", "2024-01-30"],
        ["uno", "size", "eleven", "1.0", "0"],
        ["uno", "size", "ten", "1536.0", "0.5"],
    ]
    assert site.tsv("vault-reports") == [
        ["Path", "State", "Size (bytes)", "Owner", "Group", "Last Modified", "Volume"],
        ["/p/a", "Archive", "5", "7", "ten", "2024-01-30", "scratch101"],
    ]
    assert {path.name for path in site.folder.glob("out/*reports/*")} == {"2024-01-31.tsv"}
    assert [path.name for path in site.folder.glob("out/report-output-files/*")] == ["report-20240131.tsv"]
    assert site.tsv("quota-reports")[1:] == [
        ["scratch101", "Dr Ten", "ten", str(total), "-", "-", "OK", str(total), str(total), "-"],
        ["scratch102", "Dr Ten", "ten", str(2**19), "-", "-", "OK", str(2**19), str(2**19), "-"],
    ]


def test_a_dump_is_stored_once_unless_forced(site: Site) -> None:
    site.base_directories((10, "/p"))
    path = site.dump(Entry("/p/a", 5))
    site.run()
    first = site.everything()
    written = path.stat()
    path.write_bytes(gzip.compress(Entry("/p/a", 6).line(), mtime=0))
    os.utime(path, ns=(written.st_atime_ns, written.st_mtime_ns))
    done = site.run()
    assert "already stored" in done.stdout
    assert "Everything is stored already" in done.stdout
    assert site.everything() == first
    site.run("--force")
    assert site.rows(GROUPS) == [("/p", "ten", "Dr Ten", 6, 1)]


def test_a_newer_dump_of_a_stored_date_replaces_it(site: Site) -> None:
    site.base_directories((10, "/p"))
    path = site.dump(Entry("/p/a", 5))
    site.run()
    second = site.dumps / "20240131_scratch101.ccc.ddd.stats.gz"
    second.write_bytes(gzip.compress(Entry("/p/a", 6).line(), mtime=0))
    os.utime(second, ns=(0, path.stat().st_mtime_ns + 1))
    done = site.run()
    assert "is newer than the stored dump of 2024-01-31, which it replaces" in done.stderr
    assert site.rows(GROUPS) == [("/p", "ten", "Dr Ten", 6, 1)]
    second.unlink()
    assert "already stored" in site.run().stdout
    assert site.rows(GROUPS) == [("/p", "ten", "Dr Ten", 6, 1)]


def test_what_was_stored_without_the_time_of_its_dump_stays(site: Site) -> None:
    """As an older lurge or the older tool stored it."""
    site.base_directories((10, "/p"))
    site.dump(Entry("/p/a", 5))
    site.run()
    with closing(sqlite3.connect(site.database)) as connection, connection:
        connection.execute("update volume_summary set dump_modified = null")
    assert "already stored" in site.run().stdout


def test_history_grows_and_directories_do_not(site: Site) -> None:
    site.base_directories((10, "/p"))
    site.dump(Entry("/p/a/x", 5), day="20240129")
    site.run()
    site.dump(Entry("/p/b/x", 6), day="20240130")
    site.run()
    assert site.rows("select record_date, used from lustre_usage") == [("2024-01-29", 5), ("2024-01-30", 6)]
    assert [row[1] for row in site.rows(DIRECTORIES)] == ["b"]
    assert [row[0] for row in site.rows("select record_date from user_usage")] == ["2024-01-29", "2024-01-30"]


def test_an_older_dump_adds_history_only(site: Site) -> None:
    site.base_directories((10, "/p"))
    newer = site.dump(Entry("/p/b/x", 6), day="20240130")
    site.run()
    newer.unlink()
    site.dump(Entry("/p/a/x", 5), day="20240129")
    site.run()
    assert site.rows("select record_date, used from lustre_usage") == [("2024-01-29", 5), ("2024-01-30", 6)]
    assert [row[1] for row in site.rows(DIRECTORIES)] == ["b"]


def test_volumes_without_a_dump_are_skipped(site: Site) -> None:
    site.volumes = ["scratch101", "scratch102", "scratch103"]
    site.configure()
    site.config.write_text(site.config.read_text().replace("100000", "10"))
    site.base_directories((10, "/p"))
    site.dump(Entry("/p/a"), volume="scratch102", day="20240131")
    done = site.run(status=1)
    assert "scratch101: no dump" in done.stdout
    assert "older than 10 days" in done.stdout
    site.configure()
    done = site.run(status=3)
    assert site.rows("select scratch_disk from volume_summary join volume using (volume_id)") == [("scratch102",)]


@pytest.mark.parametrize("damage", ["cut", "crc", "garbage"])
def test_a_broken_dump_fails_its_volume_only(site: Site, damage: str) -> None:
    site.volumes = ["scratch101", "scratch102"]
    site.configure()
    site.base_directories((10, "/p"))
    path = site.dump(*[Entry(f"/p/{i}") for i in range(2000)])
    site.dump(Entry("/p/a"), volume="scratch102")
    content = path.read_bytes()
    broken = {"cut": content[:-5], "crc": content[:-8] + b"0000" + content[-4:], "garbage": content + b"more"}
    path.write_bytes(broken[damage])
    done = site.run(status=3)
    assert re.search(r"scratch101\.aaa\.bbb\.stats\.gz: .*, at byte \d+", done.stdout)
    assert "Traceback" not in done.stderr
    assert site.rows("select scratch_disk from volume_summary join volume using (volume_id)") == [("scratch102",)]
    (site.dumps / "20240131_scratch102.aaa.bbb.stats.gz").unlink()
    site.database.unlink()
    site.volumes = ["scratch101"]
    site.configure()
    site.run(status=1)


def test_rejected_lines_are_counted_and_shown(site: Site) -> None:
    site.base_directories((10, "/p"))
    good = [Entry(f"/p/{i}") for i in range(995)]
    bad = [
        b"\n",
        Entry("/p/x").line()[:-5] + b"\n",
        Entry("/p/y").line().replace(b"\t100\t", b"\tmany\t"),
        Entry("p/relative").line(),
        Entry("/p/" + "x" * 70000).line(),
        Entry("/p/.vault/keep/zz").line(),
    ]
    site.dump(*good, *bad)
    done = site.run()
    assert site.rows("select records, rejected from volume_summary") == [(996, 5)]
    for reason in ("1 long", "2 columns", "1 number", "1 path"):
        assert reason in done.stdout
    assert "line 996: rejected (columns)" in done.stdout
    assert "1 vault key not decoded" in done.stdout
    assert "line 1001: vault key" in done.stdout


@pytest.mark.parametrize(("most", "status"), [("0.2", 1), ("0.25", 0)])
def test_too_many_rejected_lines_fail_the_volume(site: Site, most: str, status: int) -> None:
    site.configure(dumps_extra=f"max_rejected_fraction = {most}")
    site.base_directories((10, "/p"))
    site.dump(*[Entry(f"/p/{i}") for i in range(4)], b"nonsense\n")
    done = site.run(status=status)
    assert ("1 of 5 lines are rejected" in done.stdout) == bool(status)
    assert len(site.rows(SUMMARY)) == (0 if status else 1)


def test_sums_that_no_database_holds_are_capped(site: Site) -> None:
    site.base_directories((10, "/p"))
    site.dump(Entry("/p/a", 2**63 - 1))
    site.run()
    assert site.rows(GROUPS)[0][3] == 2**63 - 1
    site.dump(Entry("/p/a", 2**63 - 1), Entry("/p/b", 2**63 - 1, uid=2), Entry("/p/c", 5, gid=11))
    site.base_directories((10, "/p"), (11, "/p"))
    done = site.run("--force")
    assert "scratch101: group ten in /p: 18446744073709551614 bytes" in done.stdout
    assert site.rows("select used, capped from lustre_usage") == [(5, 0), (2**63 - 1, 1)]
    assert site.rows("select size, capped from user_usage where size > 9") == [(2**63 - 1, 0)] * 2


def test_an_empty_dump_is_a_report_of_nothing(site: Site) -> None:
    site.base_directories((10, "/p"))
    site.dump()
    site.run()
    assert site.rows(SUMMARY) == [(0, 0, 0, 0, 0, 0, 0)]
    assert len(site.tsv("report-output-files")) == 1


def test_json_has_counts_and_state_of_each_volume(site: Site) -> None:
    import json

    site.base_directories((10, "/p"))
    site.dump(Entry("/p/a", 5))
    found = json.loads(site.run("--json").stdout)
    assert found["exit_status"] == 0
    assert found["volumes"][0]["counts"]["attributed_bytes"] == 5
    assert found["volumes"][0]["state"] == "stored"


def test_names_of_two_numbers_stay_two(site: Site) -> None:
    (site.folder / "groups.tsv").write_text("10\tsame\t\n11\tsame\t\n")
    site.base_directories((10, "/p"), (11, "/p"), (12, "/p"))
    site.dump(Entry("/p/a", 1, gid=10), Entry("/p/a", 2, gid=11), Entry("/p/a", 4, gid=12))
    site.run()
    assert [(row[1], row[3]) for row in site.rows(GROUPS)] == [("12", 4), ("same (11)", 2), ("same", 1)]


@pytest.mark.parametrize(
    "defect",
    [
        "Batch.lines = property(lambda self: self[1] + 1)",
        "counts = volume.make_counts\n"
        "volume.make_counts = lambda counted, lines: replace(counts(counted, lines), vanished=1)",
        "entries = Export.entries\n"
        "Export.entries = lambda self: [row._replace(sums=(row.sums[0] + 1, *row.sums[1:])) for row in entries(self)]",
        "insert = swap.insert_rows\n"
        "swap.insert_rows = lambda one, table, columns, rows: insert(one, table, columns, list(rows)[1:])",
    ],
    ids=["lines", "counters", "tables", "database"],
)
def test_a_volume_that_does_not_add_up_is_not_stored(site: Site, defect: str) -> None:
    site.base_directories((10, "/p"))
    site.dump(Entry("/p/a", 5), Entry("/p/b", 6), Entry("/q", 7))
    defective = site.folder / "defective.py"
    defective.write_text(
        "from dataclasses import replace\n"
        "from lurge.aggregate import volume\n"
        "from lurge.aggregate.table import Export\n"
        "from lurge.__main__ import main\n"
        "from lurge.store.usage import swap\n"
        "from lurge.parallel.blocks import Batch\n"
        f"{defect}\nmain()\n"
    )
    command = [sys.executable, str(defective), "report", "--config", str(site.config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search("does not add up|were counted|were reported", done.stdout)
    assert site.rows("select * from volume_summary") == []
    assert site.rows("select * from directory") == []
