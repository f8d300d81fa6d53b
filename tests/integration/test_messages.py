"""Messages that say what is there, what to write and what is left: typos, missing dumps, permissions, interruptions."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lurge.config import load_config
from lurge.errors import ConfigError
from lurge.parallel.launch import find_mpiexec
from lurge.source.naming import as_toml, volume_named
from tests.processes import SECONDS_TO_END, job, wait_for_none
from tests.site import Entry, Site, run_lurge

PLAIN_USER = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
"""Root may read everything, unless it leaves these rights behind."""


@pytest.fixture
def two(site: Site) -> Site:
    """Two volumes, each with a dump."""
    site.volumes = ["v1", "v2"]
    site.configure()
    site.base_directories((10, "/p"))
    for volume in site.volumes:
        site.dump(Entry("/p/x", 5), volume=volume)
    return site


def plainly(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run lurge as one who may not read everything."""
    command = [*PLAIN_USER, sys.executable, "-m", "lurge", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_typo_names_the_nearest_key_and_its_line(site: Site) -> None:
    text = site.config.read_text()
    for typo, line, nearest in (
        (text.replace("max_days_ago", "max_day_ago"), 4, "max_days_ago"),
        (text.replace("[identity]", "[identiy]"), 6, "identity"),
        (text + "[quota]\nprovider = 3\n", text.count("\n") + 2, "providers"),
    ):
        site.config.write_text(typo)
        with pytest.raises(ConfigError) as caught:
            load_config(site.config)
        assert f"{site.config}:{line}: " in caught.value.message
        assert re.search(rf"is unknown; did you mean (\w+\.)?{nearest}\?", caught.value.message)
    site.config.write_text(text + "[mpi]\nxyz = 3\n")
    with pytest.raises(ConfigError, match="the keys here are block_records, workers_per_volume"):
        load_config(site.config)


def test_a_suffix_without_its_dot_gets_a_hint(site: Site) -> None:
    site.configure('[filetypes]\nBAM = ["bam"]\nREST = ["_x", ".y", "~"]\n')
    done = run_lurge("plan", "-c", str(site.config))
    assert 'filetypes.BAM: "bam" also matches names without a dot before it; use ".bam" for the suffix' in done.stderr
    assert done.stderr.count("filetypes") == 1


def test_a_missing_dump_is_reported_with_those_that_are_there(site: Site) -> None:
    site.volumes = ["scratch101", "usr"]
    site.configure()
    site.base_directories((10, "/p"))
    done = site.run(status=1)
    assert f"no dump in {site.dumps}, nor of any other volume" in done.stdout
    assert "20240131_scratch101.X.Y.stats.gz" in done.stdout
    for volume in ("scratch102", "scratch103"):
        site.dump(Entry("/p/x"), volume=volume)
    folder = site.dumps / "20240131-000000_\uff0fusr"
    site.dump(Entry("/p/x")).rename(site.dumps / "other")
    folder.mkdir()
    (site.dumps / "other").rename(folder / "stats.gz")
    done = site.run(status=1)
    assert "usr: no dump in" in done.stdout
    assert "there are dumps of scratch102, scratch103, usr" in done.stdout
    assert 'write in [dumps]: volumes = [{ name = "usr", path = "/usr" }]' in done.stdout
    assert 'volumes = ["scratch102", "scratch103", { name' in done.stdout
    site.config.write_text(site.config.read_text().replace('"usr"', '{ name = "usr", path = "/usr" }'))
    site.run(status=3)
    site.config.write_text(site.config.read_text().replace("= 100000", "= 1"))
    assert "or write in [dumps]: max_days_ago = " in site.run(status=1).stdout


def test_a_volume_is_shown_as_it_is_written_in_toml() -> None:
    assert as_toml(volume_named("scratch1")) == '"scratch1"'
    assert as_toml(volume_named('\uff0fa\uff0fb"')) == '{ name = "b\\"", path = "/a/b\\"" }'
    assert as_toml(volume_named("\uff0f")) == '{ name = "root", path = "/" }'


def test_what_may_not_be_read_is_not_malformed(two: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LURGE_CONFIG", str(two.config))
    two.volumes = ["v1"]
    two.configure()
    dump = next(two.dumps.glob("*_v1.*"))
    for file, status in (
        (dump, 1),
        (two.dumps / "20240101.basedirs", 1),
        (two.folder / "groups.tsv", 1),
        (two.config, 2),
    ):
        file.chmod(0)
        done = plainly("report")
        file.chmod(0o600)
        assert done.returncode == status, (file, done.stdout, done.stderr)
        said = done.stdout + done.stderr
        assert f"{file}: Permission denied" in said
        assert "-> Let this user read it: correct its permissions." in said
        assert "gzip -t" not in said
    assert plainly("report").returncode == 0


def test_nothing_done_is_a_failure(two: Site) -> None:
    for dump in two.dumps.glob("*.gz"):
        dump.unlink()
    two.run(status=1)
    two.dump(Entry("/p/x"), volume="v1")
    two.run(status=3)


def test_a_backfill_with_nothing_to_do_says_so(two: Site) -> None:
    done = run_lurge("backfill", "-c", str(two.config), "--since", "2024-01-01")
    assert done.returncode == 0
    assert done.stdout.startswith("Nothing to do: no older dump since 2024-01-01 that is not stored.")
    assert "--force" not in done.stdout
    assert run_lurge("backfill", "-c", str(two.config), "-q").stdout == ""


def test_quiet_keeps_the_advice_of_errors(two: Site) -> None:
    next(two.dumps.glob("*_v1.*")).write_bytes(b"\x1f\x8b no gzip")
    for command, status in (("report", 3), ("split", 1)):
        done = run_lurge(command, "-q", "-c", str(two.config))
        assert done.returncode == status
        assert "v1: -> Check the dump with `gzip -t`" in done.stderr
        assert done.stdout == ""


def test_more_ranks_than_cores_are_mentioned(two: Site) -> None:
    cores = len(os.sched_getaffinity(0))
    assert f"{cores + 1} ranks on {cores} cores" in two.run("-n", str(cores + 1)).stderr


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("database.url", '[database]\nurl = "mysql://me@nowhere.invalid/x"\n'),
        (
            "identity.ldap.url",
            '[identity]\nprovider = "ldap"\n[identity.ldap]\nurl = "ldap://nowhere.invalid"\n'
            'group_base = "x"\npeople_base = "y"\n',
        ),
    ],
)
def test_a_host_that_does_not_resolve_is_not_waited_for(two: Site, key: str, text: str) -> None:
    pytest.importorskip("MySQLdb" if "mysql" in text else "ldap3")
    two.config.write_text(two.config.read_text().partition("[identity]")[0] + text)
    done = two.run(status=1)
    assert "trying again" not in done.stderr
    assert f"Correct the host in {key}" in done.stderr


SLOW = """
import time
from lurge.source import inflate
read_into = inflate.DumpReader.read_into
def slowly(self, room):
    if "_v2." in str(self._path):
        time.sleep(100)
    return read_into(self, room)
inflate.DumpReader.read_into = slowly
"""


@pytest.fixture(params=["alone", "-n", "mpiexec"])
def interrupted(request: pytest.FixtureRequest, two: Site) -> tuple[Site, str, str]:
    """A report that an interrupt from the keyboard ends after the first of two volumes is stored, and what it said."""
    (two.folder / "sitecustomize.py").write_text(f"import sys\nif sys.argv[:1] == ['-m']:\n    exec({SLOW!r})\n")
    command = [sys.executable, "-m", "lurge", "report", "-c", str(two.config)]
    if request.param == "-n":
        command += ["-n", "4"]
    elif request.param == "mpiexec":
        command = [find_mpiexec(), "-n", "4", *command]
    said = two.folder / "said"
    with job(str(two.folder), command, said, PYTHONPATH=f"{two.folder}:{os.environ.get('PYTHONPATH', '')}") as process:
        ends = time.monotonic() + 2 * SECONDS_TO_END
        while "v1: stored" not in said.read_text():
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < ends, said.read_text()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS_TO_END) == 130
        wait_for_none(str(two.folder))
    return two, said.read_text(), request.param


def test_an_interrupt_says_what_is_stored_and_what_to_do(interrupted: tuple[Site, str, str]) -> None:
    site, said, how = interrupted
    assert "interrupted by SIG" in said
    assert "Stored: v1 (2024-01-31); every other volume is as it was before" in said
    assert "The same command reads what is not stored yet" in said
    assert "MPI_Abort" not in said
    assert "Abort(" not in said
    assert "BAD TERMINATION" not in said
    assert ("mpiexec@" in said) == (how == "mpiexec")
    ticket = json.loads(run_lurge("ticket", "show", "last", "--json", "-c", str(site.config)).stdout)
    assert ticket["job_management"]["job_status"] == "failure"
    assert "interrupted by SIG" in ticket["context"]["errors_encountered"][-1]["error"]
    assert "died" not in ticket["context"]
    states = [volume["state"] for volume in json.loads(site.run("--json").stdout)["volumes"]]
    assert states == ["already stored", "stored"]


def test_an_interrupted_split_publishes_nothing(two: Site) -> None:
    (two.folder / "sitecustomize.py").write_text(f"import sys\nif sys.argv[:1] == ['-m']:\n    exec({SLOW!r})\n")
    said = two.folder / "said"
    command = [sys.executable, "-m", "lurge", "split", "-c", str(two.config)]
    with job(str(two.folder), command, said, PYTHONPATH=f"{two.folder}:{os.environ.get('PYTHONPATH', '')}") as process:
        ends = time.monotonic() + 2 * SECONDS_TO_END
        while "_v2." not in said.read_text():
            assert time.monotonic() < ends, said.read_text()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(SECONDS_TO_END) == 130
    assert "Nothing was published by group: run the same command again" in said.read_text()
    assert not list(Path(two.folder / "out/groups").glob("2*"))
