"""Quotas: answers and failures of lfs, CSV files, and the order of providers."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lurge.config.quota import QuotaConfig
from lurge.enrich import quota
from lurge.enrich.quota import CsvQuotas, LfsQuotas, kibibytes, limit_of, make_quotas, quotas_of, read_limits
from lurge.errors import QuotaError
from lurge.model.dump import Volume

VOLUME = Volume("scratch101", "/lustre/scratch101")

LFS = """#!/usr/bin/env python3
# Stands in for Lustre's lfs: records its arguments, and answers as lfs does.
import json, os, sys, time
folder = os.path.dirname(os.path.abspath(__file__))
with open(folder + "/asked", "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
group, mount = sys.argv[3:]
if group == "slow":
    time.sleep(3600)
while group == "together" and open(folder + "/asked").read().count("together") < 12:
    time.sleep(0.01)
if group == "secret":
    sys.exit("quotactl failed: Permission denied")
if group == "nobody":
    sys.exit("lfs quota: unknown group: nobody")
limits = {"ten": "1000", "starred": "20", "free": "0", "dash": "-", "huge": "9" * 30, "bracket": "[5]", "together": "7"}
limit = limits[group]
used = "30*" if group == "starred" else "5"
if group == "ten":
    print(mount)
    print("      5       900    1000       -      10       0       0       -")
else:
    print(f"{mount}   {used}  0  {limit}  -  10  0  0  -")
"""


@pytest.fixture
def lfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "bin" / "lfs"
    program.parent.mkdir()
    program.write_text(LFS)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return program.parent


def test_the_limits_of_lfs_are_read(lfs: Path) -> None:
    groups = ["ten", "starred", "free", "dash", "secret", "nobody", "huge", "bracket", "-x"]
    limits = LfsQuotas(timeout=100, at_once=10).limits(VOLUME, groups)
    assert limits == {"ten": 1000 * 1024, "starred": 20 * 1024, "free": 0}
    asked = [json.loads(line) for line in (lfs / "asked").read_text().splitlines()]
    assert sorted(asked) == sorted(["quota", "-gq", group, "/lustre/scratch101"] for group in groups[:-1])


def test_a_mount_that_hangs_is_not_asked_for_ever(lfs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "MAX_UNANSWERED", 3)
    assert LfsQuotas(timeout=1, at_once=2).limits(VOLUME, ["slow"] * 40) == {}
    assert len((lfs / "asked").read_text().splitlines()) <= 5


def test_several_groups_are_asked_for_at_a_time(lfs: Path) -> None:
    """None of them answers before all are asked."""
    assert LfsQuotas(timeout=100, at_once=12).limits(VOLUME, ["together"] * 12) == {"together": 7 * 1024}


def test_a_missing_lfs_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(QuotaError, match="not on PATH"):
        LfsQuotas(1, 1).limits(VOLUME, ["ten"])


def test_the_first_provider_with_an_answer_counts(lfs: Path, tmp_path: Path) -> None:
    (tmp_path / "scratch101.csv").write_text("group,limit\nten,1\nnobody,7\nsecret,-\n")
    config = QuotaConfig(providers=("lfs", "csv"), csv_directory=tmp_path, timeout=2)
    groups = {10: "ten", 11: "nobody", 12: "secret", 13: "free", 14: "unheard of"}
    (lfs / "asked").unlink(missing_ok=True)
    found = quotas_of(make_quotas(config), VOLUME, {gid: name for gid, name in groups.items() if gid != 14})
    assert found == {10: 1000 * 1024, 11: 7 * 1024, 13: 0}
    assert quotas_of([CsvQuotas(tmp_path / "none"), CsvQuotas(tmp_path)], VOLUME, groups) == {10: 1024, 11: 7 * 1024}
    assert quotas_of([], VOLUME, groups) == {}


@pytest.mark.parametrize(
    "text",
    ["", "ten,1\n", "group\nten\n", "group,limit\nten,1.5\n", "group,limit\n,5\n", "group,limit\nten,-5\n",
     'group,limit\n"ten,5\n', "group,limit\nten,99999999999999999999\n", "group;limit\nten;5\n"],
)  # fmt: skip
def test_a_malformed_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(QuotaError, match=r"x\.csv"):
        read_limits(tmp_path / "x.csv")


def test_a_group_without_a_limit_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("group,limit\nten\n")
    assert read_limits(tmp_path / "x.csv") == {}


def test_a_file_with_a_suffix_goes_before_one_without(tmp_path: Path) -> None:
    volume = Volume("scratch101", "/lustre/scratch101")
    (tmp_path / "scratch101").write_text("group,limit\nten,5\n")
    assert CsvQuotas(tmp_path).limits(volume, ["ten"]) == {"ten": 5 * 1024}
    (tmp_path / "scratch101.csv").write_text("group,limit\nten,6\n")
    assert CsvQuotas(tmp_path).limits(volume, ["ten"]) == {"ten": 6 * 1024}


def test_a_file_written_by_a_spreadsheet_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b'\xef\xbb\xbfPI, limit ,group\r\n"A, B", 5 , ten \r\nC,,eleven\r\n')
    assert read_limits(tmp_path / "x.csv") == {"ten": 5 * 1024}


@given(text=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: b"group,limit\n" + text.encode()))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_file_is_read_or_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "x.csv").write_bytes(text)
    try:
        limits = read_limits(tmp_path / "x.csv")
    except QuotaError as error:
        assert "x.csv" in error.message
        return
    assert all(name and 0 <= limit < 2**63 for name, limit in limits.items())


@given(text=st.text(max_size=80))
def test_any_answer_of_lfs_is_a_limit_or_none(text: str) -> None:
    limit = limit_of(text)
    assert limit is None or 0 <= limit < 2**63


@pytest.mark.parametrize(
    ("text", "limit"), [("9007199254740991", 9007199254740991 * 1024), ("9007199254740992", None), ("١", None)]
)
def test_a_limit_fits_the_database_or_is_none(text: str, limit: int | None) -> None:
    assert kibibytes(text) == limit
