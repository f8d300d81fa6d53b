"""Showing what is stored, and comparing dates: tables of 80 columns for people, everything as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.site import DUMP_TIME, TODAY, Entry, Site, run_lurge
from tests.terminal import on_a_terminal, screen

MIB = 2**20
DAY = 86400
HOSTILE = "\x1b[31mred\nforged"


@pytest.fixture
def nights(site: Site) -> Site:
    """Two nights of two volumes, of which the second has only the newer one."""
    site.volumes = ["scratch101", "scratch102"]
    (site.folder / "quotas").mkdir()
    for volume in site.volumes:
        (site.folder / "quotas" / f"{volume}.csv").write_text("group,limit\nten,4096\neleven,1048576\n")
    site.configure('[quota]\nproviders = ["csv"]\ncsv_directory = "quotas"\n')
    site.base_directories((10, "/p"), (11, "/q"))
    site.dump(Entry("/p/a.bam", 3 * MIB), Entry("/q/b", 100, uid=2, gid=11), day="20240130")
    run_lurge("report", "-c", str(site.config))
    now = 1706745599
    site.dump(
        Entry("/p/a.bam", 5 * MIB, mtime=now - 40 * DAY),
        Entry("/p/old/c.cram", MIB, mtime=now - 800 * DAY),
        Entry("/q/b", 50, uid=2, gid=11, mtime=now),
        Entry("/outside", 7, gid=11),
    )
    site.dump(Entry("/p/d", 1000, uid=2), volume="scratch102")
    return site


def shown(site: Site, *arguments: str, status: int = 0) -> str:
    done = run_lurge(*arguments, "-c", str(site.config))
    assert done.returncode == status, (done.stdout, done.stderr)
    assert all(len(line) <= 80 for line in done.stdout.split("\n"))
    return done.stdout + done.stderr


def loaded(site: Site, *arguments: str) -> Any:
    return json.loads(shown(site, *arguments, "--json"))


def test_answers_come_before_reconciliation(nights: Site) -> None:
    lines = nights.run().stdout.split("\n")
    heads = [
        "6.0 MiB on scratch101, scratch102, 2024-01-31", "Groups", "People", "Filetypes",
        "Age of files, by the last change in their directory", "Largest directories", "Quotas: 1 over",
        "scratch101  stored, 2024-01-31", "scratch102  stored, 2024-01-31",
    ]  # fmt: skip
    places = [lines.index(head) for head in heads]
    assert places == sorted(places)
    for line in (
        "     6.00 MiB  100.0%  ten                       Dr Ten  1 day ago",
        "    50    B     <0.1%  eleven                            today",
        "     6.00 MiB  100.0%  uno  3 files",
        "     5.00 MiB   83.3%  BAM",
        "     1.00 MiB   16.7%  2 to 5 years",
        "     5.00 MiB   83.3%  ten     /p",
        "     1.00 MiB   16.7%  ten     /p/old",
        "  OVER ten on scratch101: 6.0 MiB of 4.0 MiB (150.0%), Not OK",
    ):
        assert " ".join(line.split()) in {" ".join(found.split()) for found in lines}, line
    table = lines[lines.index("  adds up:") + 1 :][:6]
    assert table == [
        "     3     6,291,506 B  in base directories",
        "  +  1  +          7 B  unattributed",
        "  +  0                  vanished",
        "  =  4  =  6,291,513 B  records, of all users",
        "  +  0                  rejected",
        "  =  4                  lines",
    ]
    assert all(len(line) <= 80 for line in lines if str(nights.folder) not in line)


def test_json_of_a_report_holds_the_answers(nights: Site) -> None:
    for _ in range(2):
        found = json.loads(nights.run("--json").stdout)
        assert {"volumes", "stages", "database", "tsvs", "groups", "error", "exit_status"} <= found.keys()
        ten = found["groups"][0]
        assert (ten["group"], ten["pi"], ten["used"]) == ("ten", "Dr Ten", 6 * MIB + 1000)
        assert [(use["volume"], use["used"], use["is_over"]) for use in ten["volumes"]] == [
            ("scratch101", 6 * MIB, True),
            ("scratch102", 1000, False),
        ]
        assert {row["user"]: row["size"] for row in found["users"]} == {"uno": 6 * MIB + 7, "due": 1050}
        assert [(row["group"], row["volume"], row["warning"]) for row in found["warnings"]] == [
            ("ten", "scratch101", "Not OK")
        ]
        assert [(row["name"], row["size"]) for row in found["filetypes"]] == [("BAM", 5 * MIB), ("CRAM", MIB)]
        assert sum(row["size"] for row in found["ages"]) == 6 * MIB + 1050


def test_a_volume_that_failed_is_named_first(nights: Site) -> None:
    nights.dump(volume="scratch102").write_bytes(b"\x1f\x8b cut")
    lines = nights.run(status=3).stdout.split("\n")
    assert lines[0] == "NOT UP TO DATE, see below: scratch102 (failed)"


def test_show_reads_groups_users_types_and_history(nights: Site) -> None:
    nights.run()
    assert "6,292,456  100.0%  150.0%     1  ten     Dr Ten" in shown(nights, "show", "groups")
    one = shown(nights, "show", "groups", "ten")
    assert "scratch101, 2024-01-31: 6.0 MiB of 4.0 MiB (150.0%), Not OK" in one
    assert "scratch102, 2024-01-31: 1000 B of 4.0 MiB (<0.1%), OK" in one
    assert "eleven" not in one
    people = shown(nights, "show", "users", "--limit", "1")
    assert "uno" in people
    assert "due" not in people
    assert "  1 more: --limit 2" in people
    assert [row["user"] for row in loaded(nights, "show", "users", "eleven")] == ["due", "uno"]
    assert [row["user"] for row in loaded(nights, "show", "users", "--volume", "scratch102")] == ["due"]
    assert [row["name"] for row in loaded(nights, "show", "types", "ten")["filetypes"]] == ["BAM", "CRAM"]
    history = shown(nights, "show", "history", "ten", "--volume", "scratch101")
    assert "  2024-01-30  " in history
    assert "  +3.00 MiB  4.0 MiB  scratch101" in history
    assert [row["used"] for row in loaded(nights, "show", "history", "ten", "--limit", "2")] == [6 * MIB, 1000]


def test_diff_compares_two_dates_by_group_and_user(nights: Site) -> None:
    nights.run()
    text = shown(nights, "diff", "2024-01-30", str(TODAY))
    assert "By group, from 2024-01-30 to 2024-01-31: scratch101\n" in text
    assert "+3.00 MiB  +3,145,728     3.00 MiB     6.00 MiB  ten" in text
    assert "Not compared: scratch102 has nothing at 2024-01-30; nearest: 2024-01-31" in text
    found = loaded(nights, "diff", "2024-01-30", str(TODAY))
    assert [(row["group"], row["change"]) for row in found["groups"]] == [("ten", 3 * MIB), ("eleven", -50)]
    assert [(row["user"], row["change"]) for row in found["users"]] == [("uno", 3 * MIB + 7), ("due", -50)]
    assert found["missing"] == [
        {"volume": "scratch102", "record_date": "2024-01-30", "kind": "dump", "nearest": ["2024-01-31"]}
    ]
    assert "no volume has both dates" in shown(nights, "diff", "2024-01-29", str(TODAY), status=1)
    assert "is given twice" in shown(nights, "diff", str(TODAY), str(TODAY), status=2)


def test_a_name_that_is_not_stored_is_refused_with_similar_ones(nights: Site) -> None:
    nights.run()
    assert "no group 'tem' is stored\n  -> Similar groups: ten." in shown(nights, "show", "groups", "tem", status=2)
    assert "no volume 'scratch' is stored" in shown(nights, "show", "types", "--volume", "scratch", status=2)


def test_showing_makes_no_database(site: Site) -> None:
    done = run_lurge("show", "groups", "-c", str(site.config))
    assert done.returncode == 1
    assert "does not exist" in done.stderr
    assert "Traceback" not in done.stderr
    assert not site.database.parent.exists()


def test_hostile_names_are_escaped(site: Site) -> None:
    (site.folder / "users.tsv").write_text(f"1\t{HOSTILE.partition(chr(10))[0]}\n")
    site.base_directories((10, f"/p/{HOSTILE}".replace("\n", "")))
    site.dump(Entry(f"/p/{HOSTILE}".replace("\n", "") + "/x", 5))
    site.run()
    for arguments in (["show", "users"], ["show", "groups", "ten"]):
        done = run_lurge(*arguments, "-c", str(site.config))
        assert "\x1b" not in done.stdout
        assert "\\x1b[31mred" in done.stdout


def test_a_terminal_shows_the_same_as_a_pipe(nights: Site) -> None:
    nights.run()
    on_screen = screen(on_a_terminal("show", "groups", "-c", str(nights.config)))
    assert "\n".join(on_screen) == shown(nights, "show", "groups")


def test_totals_of_a_run_are_those_of_the_database(site: Site) -> None:
    """The run sums what it stored; a later run, which reads nothing, asks the database."""
    site.base_directories((10, "/p"))
    entries = [
        Entry(f"/p/{number % 40}/f{number}{suffix}", number, mtime=DUMP_TIME - 86400 * 70 * (number % 40))
        for number in range(200)
        for suffix in (".bam", ".vcf.gz", "")
    ]
    site.dump(*entries)
    stored, known = (json.loads(site.run("--json").stdout) for _ in range(2))
    assert [volume["state"] for volume in (*stored["volumes"], *known["volumes"])] == ["stored", "already stored"]
    assert len(stored["ages"]) > 4
    assert len(stored["filetypes"]) == 2
    for key in ("filetypes", "ages"):
        assert stored[key] == known[key]
