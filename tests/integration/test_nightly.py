"""Night after night: quotas and warnings, splitting, backfill, tickets, going on after a death, plan and doctor."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lurge.config.database import DatabaseConfig
from lurge.store.database import Database
from lurge.tickets import JobTracker
from tests.facts import facts
from tests.site import Entry, Site, run_lurge

QUOTAS = """select record_date, group_name, used, quota, warning_id, expected_in_3_days, expected_in_7_days,
    quota_reached, quota_backfilled from lustre_usage join unix_group on unix_id = group_id"""
KIB = 1024


@pytest.fixture
def quotas(site: Site) -> Site:
    """Two base directories of one group, which together are close to its quota."""
    (site.folder / "quotas").mkdir()
    (site.folder / "quotas" / "scratch101.csv").write_text("group,limit\nten,100\neleven,0\n")
    site.configure('[quota]\nproviders = ["lfs", "csv"]\ncsv_directory = "quotas"\n')
    site.base_directories((10, "/p"), (10, "/q"), (11, "/q"))
    return site


def day_of(site: Site, day: str, p: int, q: int) -> None:
    site.dump(Entry("/p/x", p * KIB), Entry("/q/x", q * KIB), Entry("/q/y", 7, gid=11), day=day)


def test_quotas_and_warnings_are_stored_and_shown(quotas: Site) -> None:
    """The quota is the volume's, so the use of both base directories counts."""
    day_of(quotas, "20240129", 40, 26)
    quotas.run()
    day_of(quotas, "20240130", 99, 1)
    quotas.run()
    day_of(quotas, "20240131", 50, 20)
    done = quotas.run("--json")
    assert json.loads(done.stdout)["exit_status"] == 0
    rows = [row for row in quotas.rows(QUOTAS) if row[0] == "2024-01-31" and row[1] == "ten"]
    assert [row[2:] for row in rows] == [
        (size * KIB, 100 * KIB, 1, 76 * KIB, 84 * KIB, "2024-02-15", 0) for size in (20, 50)
    ]
    assert ("2024-01-31", "eleven", 7, 0, 1, 7, 7, None, 0) in quotas.rows(QUOTAS)
    day_of(quotas, "20240201", 60, 65)
    done = quotas.run()
    assert "Quotas: 1 over" in done.stdout
    assert "OVER ten on scratch101: 125.0 KiB of 100.0 KiB (125.0%), Not OK" in done.stdout
    assert quotas.rows("select distinct warning_id from lustre_usage where record_date = '2024-02-01'") == [(1,), (3,)]
    newest = (quotas.folder / "out/report-output-files/report-20240201.tsv").read_text().split("\n")
    assert "/p\tDr Ten\tten\t61440\t102400\t2" in newest
    shown = (quotas.folder / "out/quota-reports/2024-02-01.tsv").read_text().split("\n")
    expected = [int(size * KIB) for size in (125 + 3 * 12.5, 125 + 7 * 12.5)]
    known = f"{125 * KIB}\t{100 * KIB}\tof the day\tNot OK\t{expected[0]}\t{expected[1]}\t2024-02-01"
    assert f"scratch101\tDr Ten\tten\t{known}" in shown


def test_a_warning_counts_groups_without_a_quota(quotas: Site) -> None:
    quotas.dump(Entry("/p/x"), Entry("/q/x", gid=11), Entry("/z", gid=12))
    found = json.loads(quotas.run("--json").stdout)["volumes"][0]["warnings"]
    assert found == ["scratch101: 1 of 2 groups without a quota, and so without a forecast of it"]
    quotas.configure("")
    assert json.loads(quotas.run("--json", "--force").stdout)["volumes"][0]["warnings"] == []


def test_numbers_without_names_are_warned_of_once(site: Site) -> None:
    site.base_directories((4242, "/p"))
    site.dump(Entry("/p/x", uid=0, gid=4242), Entry("/p/y", uid=4343, gid=4242))
    site.config.write_text(site.config.read_text().partition("[identity]")[0])
    done = site.run("--quiet")
    assert done.stderr.count("identity.provider") == 1
    assert "scratch101: 1 of 1 groups and 1 of 2 users without a name here" in done.stderr


@pytest.mark.parametrize("ranks", [1, 3])
def test_a_run_limited_to_volumes_stores_only_those(site: Site, ranks: int) -> None:
    site.volumes = ["v1", "v2", "v3"]
    site.configure()
    site.base_directories((10, "/p"))
    for volume in site.volumes:
        site.dump(Entry("/p/x", 5), volume=volume)
    site.run("v1", "v3", "-n", str(ranks))
    assert site.rows("select scratch_disk from volume") == [("v1",), ("v3",)]
    done = site.run("v2", "--json")
    assert [volume["volume"] for volume in json.loads(done.stdout)["volumes"]] == ["v2"]
    assert site.tsv("user-reports")[0] == ["username", "data", "group", "v1", "v2", "v3"]
    assert site.tsv("user-reports")[1][3:] == ["2024-01-30"] * 3
    refused = site.run("v1", "v4", status=2)
    assert "v4" in refused.stderr
    assert "v1, v2, v3" in refused.stderr
    assert "--split needs all volumes" in site.run("v1", "--split", status=2).stderr


def test_backfilled_history_changes_what_is_expected(quotas: Site) -> None:
    day_of(quotas, "20240131", 50, 20)
    quotas.run()
    assert quotas.rows(f"{QUOTAS} where group_name = 'ten'")[0][5] == 70 * KIB
    day_of(quotas, "20240129", 40, 26)
    day_of(quotas, "20240130", 99, 1)
    day_of(quotas, "20240101", 0, 0)
    assert run_lurge("backfill", "-c", str(quotas.config), "--since", "2024-01-15").returncode == 0
    rows = quotas.rows(QUOTAS)
    assert [row[5:] for row in rows if row[0] == "2024-01-31" and row[1] == "ten"] == [
        (76 * KIB, 84 * KIB, "2024-02-15", 0)
    ] * 2
    assert {row[0]: row[8] for row in rows} == {"2024-01-29": 1, "2024-01-30": 1, "2024-01-31": 0}


def test_a_backfilled_history_with_gaps_gives_the_same_forecast(site: Site, tmp_path: Path) -> None:
    """A group that is not there on every date: its trend goes through its own dates."""
    found = []
    for folder, order in ((site.folder, (1, 2, 3, 4)), (tmp_path / "other", (4, 2, 3, 1))):
        one = Site(folder)
        (one.folder / "quotas").mkdir()
        (one.folder / "quotas" / "scratch101.csv").write_text("group,limit\nten,1000\n")
        one.configure('[quota]\nproviders = ["csv"]\n')
        one.base_directories((10, "/p"), (11, "/p"))
        for day in order:
            ten = [Entry("/p/x", 100 * KIB if day == 1 else 700 * KIB)] if day in (1, 4) else []
            one.dump(*ten, Entry("/p/y", 5, gid=11), day=f"2024010{day}")
            assert run_lurge("backfill" if day < order[0] else "report", "-c", str(one.config)).returncode == 0
        found.append([row[:8] for row in one.rows(QUOTAS)])
    assert found[0] == found[1]
    assert ("2024-01-04", "ten", 700 * KIB, 1000 * KIB, 3, 1300 * KIB, 2100 * KIB, "2024-01-06") in found[0]


def test_a_bad_dump_does_not_stop_a_backfill(site: Site) -> None:
    site.base_directories((10, "/p"))
    for day in ("20240101", "20240102", "20240103", "20240104"):
        site.dump(Entry("/p/x", 5), day=day)
    (site.dumps / "20240101_scratch101.aaa.bbb.stats.gz").write_bytes(b"\x1f\x8b cut")
    for expected in (["2024-01-02"], ["2024-01-02", "2024-01-03"]):
        done = run_lurge("backfill", "-c", str(site.config), "--limit", "1", "-n", "4")
        assert done.returncode == 3, done.stderr
        assert [row[0] for row in site.rows("select record_date from volume_summary")] == expected
    ticket = tickets(site)[0]["context"]["volumes"]
    assert sorted((name, one["state"]) for name, one in ticket.items()) == [
        ("scratch101 2024-01-01", "failed"),
        ("scratch101 2024-01-03", "stored"),
    ]


def test_a_quiet_volume_is_backfilled(site: Site) -> None:
    """Its newest dump is too old for the main job."""
    site.base_directories((10, "/p"))
    site.dump(Entry("/p/x", 5), day="20200101")
    site.config.write_text(site.config.read_text().replace("max_days_ago = 100000", "max_days_ago = 10"))
    site.run(status=1)
    assert run_lurge("backfill", "-c", str(site.config)).returncode == 0
    assert site.rows("select record_date from volume_summary") == [("2020-01-01",)]


def test_a_failed_copy_fails_the_job(site: Site) -> None:
    site.base_directories((10, "/p"))
    site.dump(Entry("/p/x", 5))
    site.configure('[split.s3]\nbucket = "b"\nendpoint_url = "http://127.0.0.1:1"\n')
    keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "hush", "AWS_MAX_ATTEMPTS": "1"}
    done = run_lurge("split", "-c", str(site.config), env={**keys, "AWS_DEFAULT_REGION": "x"})
    assert done.returncode == 3
    assert "cannot copy" in done.stdout
    assert "hush" not in done.stdout + done.stderr
    ticket = tickets(site)[0]
    assert ticket["job_management"]["job_status"] == "failure"
    assert ticket["context"]["steps"]["publish_groups"]["status"] == "failure"
    assert (site.folder / "out/groups/20240131").is_dir()


def test_an_interrupted_backfill_goes_on(site: Site) -> None:
    """Oldest first, so many at a time; what is stored is not read again; the newest is the report's."""
    site.volumes = ["scratch101", "scratch102"]
    site.configure()
    site.base_directories((10, "/p"))
    for day in ("20240101", "20240102", "20240103", "20240104"):
        for volume in site.volumes:
            site.dump(Entry("/p/x", int(day[-2:])), volume=volume, day=day)

    def backfill(*arguments: str) -> dict[str, Any]:
        done = run_lurge("backfill", "-c", str(site.config), "--json", *arguments)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)  # type: ignore[no-any-return]

    found = [(one["volume"], one["record_date"]) for one in backfill("--limit", "1", "-n", "3")["volumes"]]
    assert found == [("scratch101", "2024-01-01"), ("scratch102", "2024-01-01")]
    found = [(one["volume"], one["record_date"]) for one in backfill("--limit", "2", "-n", "3")["volumes"]]
    assert found == [(volume, f"2024-01-0{day}") for day in (2, 3) for volume in ("scratch101", "scratch102")]
    assert backfill("-n", "4")["volumes"] == backfill()["volumes"] == []
    assert site.rows("select record_date, used from lustre_usage order by 1") == [
        (f"2024-01-0{day}", day) for day in (1, 2, 3) for _ in range(2)
    ]
    site.run()
    assert site.rows("select distinct size_bytes from directory") == [(4,)]


def lines_of(path: Path) -> list[bytes]:
    return gzip.decompress(path.read_bytes()).splitlines()


@pytest.mark.parametrize("ranks", [1, 4])
def test_every_era_is_split_into_the_same_lines(site: Site, ranks: int) -> None:
    """The same lines whatever the era; pseudo groups have their own file; vanished records are there."""
    site.volumes = ["v1", "v2", "v3"]
    site.configure('[[pseudo_groups]]\npath = "/p/q"\ngid = -1\nname = "pseudo.group"\npi = "P"\n')
    site.base_directories((10, "/p"))
    entries = [
        Entry("/p/", 4096, type="d"),
        Entry("/p/é\n", 5),
        Entry("/p/q/x", 6, gid=11),
        Entry("/p/gone", 7, nlink=0),
        Entry("/z", 8, gid=99),
        b"rubbish\n",
    ]
    for volume, encoding, columns in (("v1", "standard", 11), ("v2", "sorted", 11), ("v3", "quoted", 12)):
        site.dump(*entries, volume=volume, encoding=encoding, columns=columns)
    site.configure(site.config.read_text().split("[identity]")[1].partition("users.tsv\"\n")[2],
                   "max_rejected_fraction = 1")  # fmt: skip
    done = run_lurge("split", "-c", str(site.config), *(["-n", str(ranks)] if ranks > 1 else []))
    assert done.returncode == 0, done.stderr
    folder = site.folder / "out" / "groups" / "20240131"
    assert {path.name for path in folder.iterdir()} == {
        "ten.dat.gz", "pseudo.group.dat.gz", "99.dat.gz", "index.txt", "groupfile", "passwdfile",
    }  # fmt: skip
    ten = lines_of(folder / "ten.dat.gz")
    assert len(ten) == 9
    assert ten[:3] == ten[3:6] == ten[6:]
    paths = [base64.b64decode(line.split(b"\t")[0]) for line in ten[:3]]
    assert paths == [b"/p", "/p/é\n".encode(), b"/p/gone"]
    assert ten[0].split(b"\t")[1:] == Entry("", 4096, type="d").line(columns=11).rstrip(b"\n").split(b"\t")[1:]
    assert len(lines_of(folder / "pseudo.group.dat.gz")) == 3
    index = (folder / "index.txt").read_text().splitlines()
    assert index[0] == "Group\tBuild Time (sec)\tMemory Use(bytes)"
    assert f"ten\t100\t{(2 * 3 + 50) * 8000}" in index
    assert "ten:x:10:" in (folder / "groupfile").read_text().splitlines()
    assert "uno:x:1:65534:::" in (folder / "passwdfile").read_text().splitlines()
    assert not (site.folder / "out/lurge.db").exists()


def test_a_split_has_equal_bytes_on_any_number_of_ranks(site: Site) -> None:
    site.base_directories((10, "/p"))
    site.configure("[mpi]\nblock_records = 10\n")
    site.dump(*[Entry(f"/p/{i % 7}/{i}", i, gid=10 + i % 3) for i in range(5000)])
    found = []
    for ranks in ("1", "3", "5"):
        done = site.run("--split", "-n", ranks)
        found.append({path.name: path.read_bytes() for path in (site.folder / "out/groups/20240131").iterdir()})
        assert "Groups    " in done.stdout
    assert found[0] == found[1] == found[2]
    assert len(found[0]) == 6


def test_nothing_is_published_where_a_volume_failed(site: Site) -> None:
    site.volumes = ["v1", "v2"]
    site.configure()
    site.base_directories((10, "/p"))
    site.dump(Entry("/p/x"), volume="v1")
    site.dump(Entry("/p/x"), volume="v2").write_bytes(b"\x1f\x8b no gzip")
    done = site.run("--split", status=3)
    assert "nothing is published by group: v2" in done.stdout
    assert [path.name for path in (site.folder / "out/groups").iterdir()] == [".lock"]
    assert site.rows("select scratch_disk from volume") == [("v1",)]
    site.dump(Entry("/p/x"), volume="v2")
    done = site.run("--split", "--json")
    assert [volume["state"] for volume in json.loads(done.stdout)["volumes"]] == ["read", "stored"]
    assert (site.folder / "out/groups/20240131/ten.dat.gz").exists()


def test_a_full_disk_under_a_split_publishes_nothing(site: Site) -> None:
    """A limit on the size of files stands in for the disk's."""
    site.base_directories((10, "/p"))
    site.dump(*[Entry(f"/p/{os.urandom(60).hex()}", i) for i in range(20_000)])
    code = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000));"
        "from lurge.__main__ import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "split", "-c", str(site.config)], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "cannot write below" in done.stdout + done.stderr
    assert [path.name for path in (site.folder / "out/groups").iterdir()] == [".lock"]


def tickets(site: Site) -> list[dict[str, Any]]:
    done = run_lurge("ticket", "list", "--json", "-c", str(site.config))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_a_ticket_tells_the_whole_job(site: Site) -> None:
    site.base_directories((10, "/p"))
    site.dump(Entry("/p/x", 5), b"rubbish\n", *[Entry("/p/y")] * 200)
    site.run("-n", "3")
    (ticket,) = tickets(site)
    assert ticket["job_management"]["job_status"] == "success"
    context = ticket["context"]
    assert context["ranks"] == 3
    assert context["exit_status"] == 0
    assert all(step["status"] == "success" and step["seconds"] >= 0 for step in context["steps"].values())
    volume = context["volumes"]["scratch101"]
    assert volume["counts"]["records"] == 201
    assert volume["counts"]["rejected"] == 1
    assert volume["samples"][0]["text"] == "rubbish"
    shown = run_lurge("ticket", "show", ticket["job_ticket_id"], "-c", str(site.config)).stdout
    assert "201 records, 1 rejected" in shown
    assert run_lurge("ticket", "show", ticket["job_ticket_id"][:8], "-c", str(site.config)).stdout == shown
    listed = run_lurge("ticket", "list", "-c", str(site.config)).stdout
    assert listed.startswith(ticket["job_ticket_id"][:8] + "  ")
    assert len(listed.rstrip("\n")) <= 80
    refused = run_lurge("ticket", "show", "../../x", "-c", str(site.config))
    assert refused.returncode == 1
    assert "no ticket's id" in refused.stderr
    elsewhere = site.folder / "elsewhere"
    site.run(env={"JOB_DATA_BASEDIR": str(elsewhere)})
    assert len(list(elsewhere.iterdir())) == 1
    site.dump(day="20240201").write_bytes(b"")
    site.run(status=1)
    failed = tickets(site)[0]
    assert failed["job_management"]["job_status"] == "failure"
    assert "scratch101" in failed["context"]["errors_encountered"][0]["error"]


def test_tools_keep_tickets_where_they_are_wanted(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    environment = {"JOB_DATA_BASEDIR": str(tmp_path / "jobs")}
    assert run_lurge("scan", str(tmp_path / "tree"), "-o", str(tmp_path / "dumps"), env=environment).returncode == 0
    (dump,) = (tmp_path / "dumps").iterdir()
    assert run_lurge("basedirs", str(dump), env=environment).returncode == 0
    dump.joinpath("stats.gz").write_bytes(b"")
    assert run_lurge("basedirs", str(dump), env=environment).returncode == 1
    found = JobTracker(tmp_path / "jobs").list_jobs()
    assert sorted((one["job_name"], one["job_management"]["job_status"]) for one in found) == [
        ("basedirs", "failure"),
        ("basedirs", "success"),
        ("scan", "success"),
    ]


def test_a_job_that_died_is_gone_on_with(site: Site) -> None:
    """Killed after the first volume was stored again: the next forced run does not read that one."""
    site.volumes = ["v1", "v2"]
    site.configure()
    site.base_directories((10, "/p"))
    for volume in site.volumes:
        site.dump(Entry("/p/x", 5), volume=volume)
    site.run()
    code = (
        "import os, signal\n"
        "from lurge.pipeline import site\n"
        "store = site.store_volume\n"
        "def die(database, named, confirm):\n"
        "    if named.dump.volume.name == 'v2':\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    store(database, named, confirm)\n"
        "site.store_volume = die\n"
        "from lurge.__main__ import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", code, "report", "--force", "-c", str(site.config)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == -signal.SIGKILL
    assert tickets(site)[0]["job_management"]["job_status"] == "running"
    monitored = run_lurge("ticket", "monitor", "--json", "-c", str(site.config))
    (why,) = json.loads(monitored.stdout)["marked"].values()
    assert re.match(r"its process \d+ on .* is gone", why)
    dead = tickets(site)[0]
    assert dead["job_management"]["job_status"] == "failure"
    time.sleep(1.1)
    done = site.run("--force", "--json")
    assert [volume["state"] for volume in json.loads(done.stdout)["volumes"]] == ["already stored", "stored"]
    assert tickets(site)[0]["context"]["continues"] == dead["job_ticket_id"]
    done = site.run("--force", "--json")
    assert [volume["state"] for volume in json.loads(done.stdout)["volumes"]] == ["stored", "stored"]


def test_a_second_run_at_once_is_refused(site: Site) -> None:
    site.base_directories((10, "/p"))
    site.dump(Entry("/p/x", 5))
    site.run()
    code = "import time\nfrom lurge.pipeline import report\nreport.write_tables = lambda *_: time.sleep(3600)\n"
    code += "from lurge.__main__ import main\nmain()\n"
    command = [sys.executable, "-c", code, "report", "-q", "-c", str(site.config)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as first:
        lock = Path(f"{site.database}.lock")
        while str(first.pid) not in lock.read_text():
            time.sleep(0.05)
        done = site.run(status=1)
        assert re.search(rf"being changed by report, process {first.pid} of \S+ on \S+ since 20\d\d-", done.stderr)
        assert run_lurge("backfill", "-c", str(site.config)).returncode == 1
        first.kill()
    site.run()


def test_a_backfilled_database_equals_one_built_day_by_day(site: Site, tmp_path: Path) -> None:
    """Every night's report, or the newest first and the rest afterwards: the same history."""
    other = Site(tmp_path / "other")
    for one in (site, other):
        one.base_directories((10, "/p"))
    for number, day in enumerate(("20240101", "20240108", "20240131")):
        entries = [Entry(f"/p/{i}", 100 * number + i) for i in range(20)]
        site.dump(*entries, day=day)
        site.run()
        other.dump(*entries, day=day)
    other.run()
    assert run_lurge("backfill", "-c", str(other.config)).returncode == 0

    def stored(one: Site) -> str:
        database = Database(DatabaseConfig(url=f"sqlite:///{one.database}"))
        found = repr(facts(database)).replace("True", "False")
        database.close()
        return found

    assert stored(site) == stored(other)


def test_plan_shows_the_roles_of_ranks_and_volumes_without_a_dump(site: Site) -> None:
    site.volumes = ["v1", "v2", "v3"]
    site.configure()
    site.base_directories((10, "/p"))
    for volume in ("v1", "v2"):
        site.dump(Entry("/p/x", 5), volume=volume)

    def plan(*arguments: str) -> str:
        done = run_lurge("plan", "-c", str(site.config), *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    found = json.loads(plan("--json", "-n", "6"))
    assert [(one["ranks"], one["role"]) for one in found["roles"]] == [
        ([0], "coordinator"),
        ([1], "controller"),
        ([3, 5], "workers of rank 1"),
        ([2], "controller"),
        ([4], "workers of rank 2"),
    ]
    assert found["missing"].keys() == {"v3"}
    assert json.loads(plan("--json"))["ranks"] == 5
    assert "ranks=5\n" in plan("--shell")
    assert "rank 0: coordinator, with threads" in plan("-n", "1")
    assert "rank 1: controller, with threads as workers" in plan("-n", "2")
    assert json.loads(plan("--json", "--backfill"))["dates"] == 0


def test_doctor_has_a_verdict_on_each_topic(site: Site) -> None:
    today = datetime.now(UTC).date()
    site.base_directories((10, "/lustre/scratch101/p"))
    site.dump(Entry("/lustre/scratch101/p/x", 5), day=f"{today - timedelta(days=1):%Y%m%d}")

    def doctor(status: int) -> dict[str, list[dict[str, str]]]:
        done = run_lurge("doctor", "--json", "-c", str(site.config))
        assert done.returncode == status, done.stdout + done.stderr
        found: dict[str, list[dict[str, str]]] = {}
        for one in json.loads(done.stdout):
            found.setdefault(one["topic"], []).append(one)
        return found

    found = doctor(0)
    assert set(found) == {
        "configuration", "reports", "dumps", "database", "identity", "quotas", "MPI", "kernels", "interfaces",
        "tickets", "batch",
    }  # fmt: skip
    assert "1 days old" in found["dumps"][0]["said"]
    assert found["quotas"][0]["advice"]
    assert found["tickets"][0]["said"] == f"{site.folder}/out/tickets: 16 kinds of jobs, 0 running"
    site.base_directories((10, "/elsewhere"))
    assert "nothing will be attributed" in doctor(0)["dumps"][1]["said"]
    site.database.parent.mkdir(exist_ok=True)
    site.database.write_text("no database " * 100)
    (site.folder / "groups.tsv").write_text("nonsense\n")
    next(site.dumps.glob("*.gz")).write_bytes(b"")
    found = doctor(1)
    for topic in ("dumps", "database", "identity"):
        assert any(one["verdict"] == "FAILURE" and one["advice"] for one in found[topic]), topic
    site.config.write_text("nonsense = 1\n")
    assert [*doctor(1)] == ["configuration"]
