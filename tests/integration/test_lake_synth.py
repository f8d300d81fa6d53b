"""The made-up buckets, from end to end."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from lurge.model.lake import Format
from lurge.source.synth.inventories import Buckets, made_rows, make_buckets
from tests.site import run_lurge

ROOT = Path(__file__).parent.parent.parent


def digests(folder: Path) -> dict[str, str]:
    """The content of every file below a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_whole_way_ends_with_what_is_where(tmp_path: Path) -> None:
    bin_folder = Path(sys.executable).parent
    command = ["sh", str(ROOT / "scripts" / "lake.sh"), str(bin_folder), str(tmp_path / "site")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == 0, done.stderr
    where = done.stdout.partition("What is where")[2]
    assert all(name in where for name in ("archive1", "archive2", "doc"))
    config = ["--config", str(tmp_path / "site" / "lurge.toml")]
    sql = "SELECT bucket, sum(size) AS bytes FROM latest GROUP BY 1"
    lake = {
        one["bucket"]: one["bytes"] for one in json.loads(run_lurge("lake", "query", sql, "--json", *config).stdout)
    }
    for bucket, size in lake.items():
        assert f"{size:,}" in next(line for line in where.splitlines() if line.endswith(bucket))


@pytest.mark.parametrize("formats", [(Format.CSV,), (Format.ORC,), (Format.PARQUET,), tuple(Format)])
def test_equal_seeds_make_equal_inventories_that_are_loaded(tmp_path: Path, formats: tuple[Format, ...]) -> None:
    wanted = Buckets(len(formats), 500, 3, date(2024, 1, 31), formats, seed=7)
    counts = [sum(count for _, count in make_buckets(tmp_path / name, wanted)) for name in "ab"]
    assert counts[0] == counts[1]
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    done = run_lurge("lake", "load", "--config", str(tmp_path / "a" / "lurge.toml"), "--json")
    assert done.returncode == 0, done.stderr
    loads = [one["load"] for one in json.loads(done.stdout)["loads"]]
    assert sum(load["rows"] for load in loads) == counts[0]
    assert {load["rejected"] for load in loads} == {0}
    assert len(loads) == 3 * len(formats)
    assert all(load["noncurrent"] and load["delete_markers"] for load in loads)


def test_keys_are_sorted_and_each_has_one_latest_version() -> None:
    import numpy as np

    from lurge.source.synth.inventories import HOUR, datetime

    rows = made_rows(np.random.default_rng(1), "b", 2000, datetime.combine(date(2024, 1, 1), HOUR))
    keys = rows["Key"].to_pylist()
    latest = [key for key, is_latest in zip(keys, rows["IsLatest"].to_pylist(), strict=True) if is_latest]
    assert keys == sorted(keys)
    assert latest == sorted(set(keys))
    assert len(latest) < len(keys)
