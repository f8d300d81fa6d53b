"""`lurge doctor`: each thing once, with its key; no MPI; privileges; directories that cannot be written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lurge.config import load_config
from lurge.config.database import DatabaseConfig
from lurge.pipeline.doctor.database import AREAS, AreaCheck, check_database
from lurge.pipeline.doctor.finding import Finding, Verdict
from lurge.store.database import Database
from lurge.store.database.grants import NEEDED, missing_grants
from lurge.store.database.upgrade import upgrade
from lurge.store.usage.area import USAGE
from tests.services.mariadb import MariaDb
from tests.site import Entry, Site, run_lurge
from tests.toys.area import TOYS

PLAIN_USER = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
"""Root may write everywhere, unless it leaves these rights behind."""


def examine(site: Site, status: int, *prefix: str, env: dict[str, str] | None = None) -> list[dict[str, str]]:
    """The findings of doctor."""
    command = [*prefix, sys.executable, "-m", "lurge", "doctor", "--json", "-c", str(site.config)]
    environment = {**os.environ, **(env or {})}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    findings: list[dict[str, str]] = json.loads(done.stdout)
    return findings


def of(findings: list[dict[str, str]], topic: str, verdict: str = "") -> list[dict[str, str]]:
    return [one for one in findings if one["topic"] == topic and verdict in one["verdict"]]


@pytest.fixture
def good(site: Site) -> Site:
    site.base_directories((10, "/lustre/scratch101/p"))
    site.dump(Entry("/lustre/scratch101/p/x", 5), day=f"{datetime.now(UTC):%Y%m%d}")
    return site


def test_a_machine_without_mpi_is_fine_alone(good: Site, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['mpi4py'] = None\n")
    path = f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"
    (finding,) = of(examine(good, 0, env={"PYTHONPATH": path}), "MPI")
    assert finding["verdict"] == "ok"
    assert "`lurge report` runs alone, on" in finding["said"]


def test_doctor_checks_every_directory_and_names_each_problem_once(good: Site) -> None:
    out, logs = good.folder / "out", good.folder / "logs"
    good.configure('[batch]\nlogs = "logs/deep"\n[split]\ndirectory = "file/x"\n')
    (good.folder / "file").touch()
    (out / "user-reports").mkdir(parents=True)
    for folder in (out / "user-reports", logs):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o500)
    found = of(examine(good, 1, *PLAIN_USER), "reports")
    assert [one["said"] for one in found if one["verdict"] == "FAILURE"] == [
        f"reports.directory: {out}/user-reports cannot be written by this user",
        f"split.directory: {good.folder}/file is not a directory",
        f"batch.logs: {logs} cannot be written by this user",
    ]
    assert "tickets.directory, database.url: can be written" in found[-1]["said"]
    out.chmod(0o500)
    found = examine(good, 1, *PLAIN_USER)
    shared = f"reports.directory, tickets.directory, database.url: {out} cannot be written by this user"
    assert [one["said"] for one in found if str(out) in one["said"]][:1] == [shared]
    assert of(found, "database") == []


def test_a_report_looks_at_its_directories_before_it_reads(good: Site) -> None:
    good.run()
    (good.folder / "out" / "vault-reports").chmod(0o500)
    command = [*PLAIN_USER, sys.executable, "-m", "lurge", "report", "--force", "-c", str(good.config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "reports.directory: " in done.stderr
    assert "vault-reports cannot be written by this user" in done.stderr
    assert "reading" not in done.stderr


def test_what_is_true_of_many_volumes_is_said_once(good: Site) -> None:
    good.volumes = [f"scratch10{i}" for i in range(1, 5)]
    good.configure('[quota]\nproviders = ["csv"]\n')
    for volume in good.volumes:
        good.dump(Entry("/p/x"), volume=volume)
    next(good.dumps.glob("*.basedirs")).unlink()
    found = examine(good, 1)
    (finding,) = of(found, "dumps", "FAILURE")
    assert finding["said"].startswith("dumps.base_directories: no .basedirs file in")
    (finding,) = of(found, "quotas")
    assert finding["said"].startswith("quota.providers: scratch101, scratch102, scratch103, scratch104: ")
    assert "/<volume>.csv: No such file" in finding["said"]
    for dump in good.dumps.glob("*.gz"):
        dump.unlink()
    (finding,) = of(examine(good, 1), "dumps")
    assert finding["said"] == f"dumps.directory: no dumps in {good.dumps}"


def test_failures_name_their_keys(good: Site) -> None:
    (good.folder / "groups.tsv").write_text("nonsense\n")
    good.database.parent.mkdir()
    good.database.write_text("no database" * 100)
    found = examine(good, 1)
    assert of(found, "identity")[0]["said"].startswith("identity.provider: ")
    assert of(found, "database")[0]["said"].startswith("database.url: ")


def test_every_area_is_asked_for_its_findings(good: Site) -> None:
    def look(database: Database) -> Iterator[Finding]:
        yield Finding("database", Verdict.WARNING, f"{database} has no toys", "Buy some.")

    good.run()
    findings = list(check_database(load_config(good.config), [*AREAS, AreaCheck(TOYS, look)]))
    assert [finding.said.removeprefix(f"{good.database}") for finding in findings][-1] == " has no toys"
    assert "schema 0" in findings[0].said


@pytest.mark.parametrize(
    ("grants", "missing"),
    [
        (["GRANT ALL PRIVILEGES ON *.* TO `a`@`%`"], []),
        (["GRANT USAGE ON *.* TO `a`@`%`", "GRANT ALL PRIVILEGES ON `other`.* TO `a`@`%`"], list(NEEDED)),
        (["GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, INDEX, ALTER ON `x`.* TO `a`@`%`"], ["REFERENCES"]),
        (["GRANT CREATE VIEW, SELECT (`a`) ON `x`.* TO a@b"], list(NEEDED)),
        (["GRANT ALL PRIVILEGES ON `x`.`t` TO a@b"], list(NEEDED)),
        (["GRANT ALL PRIVILEGES ON `x\\_%`.* TO a@b"], list(NEEDED)),
        (["GRANT ALL PRIVILEGES ON `_`.* TO a@b"], []),
        (["GRANT USAGE ON *.* TO `a`@`%`", "GRANT `writers`@`%` TO `a`@`%`"], []),
    ],
)
def test_privileges_are_read_from_grants(grants: list[str], missing: list[str]) -> None:
    assert missing_grants(grants, "x") == missing


def test_missing_privileges_of_a_user_are_named(good: Site, server: MariaDb) -> None:
    root = server.new_database("lurge_doctor")
    database = Database(DatabaseConfig(url=root))
    upgrade(database, USAGE)
    database.close()
    server.sql(
        "create or replace user reader@localhost; grant select, insert on lurge_doctor.* to reader@localhost;"
        "create or replace user writer@localhost;"
        f"grant {', '.join(NEEDED)} on `lurge\\_doctor`.* to writer@localhost"
    )
    good.configure(f'[database]\nurl = "{root.replace("root@", "reader@")}"\n')
    (finding,) = of(examine(good, 1), "database", "FAILURE")
    assert finding["said"].startswith("database.url: the user lacks UPDATE, DELETE, CREATE, ALTER, DROP, INDEX,")
    assert "UPDATE, DELETE" in finding["advice"]
    good.configure(f'[database]\nurl = "{root.replace("root@", "writer@")}"\n')
    assert of(examine(good, 0), "database", "FAILURE") == []
    assert run_lurge("report", "-c", str(good.config)).returncode == 0
