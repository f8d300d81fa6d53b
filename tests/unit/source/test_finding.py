"""Finding dumps and base directories by their names."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lurge.errors import BaseDirectoriesError, DumpNotFound
from lurge.model.dump import Volume
from lurge.source.finding import find_base_directories, find_dumps, newest_dump, read_base_directories

VOLUME = Volume("scratch119", "/lustre/scratch119")


def touch(path: Path, mtime: int = 1000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    os.utime(path, (mtime, mtime))
    return path


def test_both_namings_newest_first(tmp_path: Path) -> None:
    old = touch(tmp_path / "20240101_scratch119.a.b.stats.gz", mtime=9999)
    folder = touch(tmp_path / "20240103-101112_／lustre／scratch119" / "stats.gz")
    same = touch(tmp_path / "20240103_scratch119.a.b.stats.gz", mtime=2000)
    for other in (
        "20240104_scratch1190.a.b.stats.gz",
        "20240104_scratch119.a.stats.gz",
        "20240104_scratch119.a.b.c.stats.gz",
        "20241304_scratch119.a.b.stats.gz",
        "2024010_scratch119.a.b.stats.gz",
        "20240104_scratch119.a.b.stats.gz.tmp",
        ".20240104-101112_／lustre／scratch119/stats.gz",
        "20240104-101112_／lustre／scratch119.old/stats.gz",
        "20240104-101112_／lustre／scratch119／x/stats.gz",
    ):
        touch(tmp_path / other)
    (tmp_path / "20240105-101112_／lustre／scratch119").mkdir()
    dumps = list(find_dumps(tmp_path, VOLUME))
    assert [dump.path for dump in dumps] == [same, folder, old]
    assert dumps[1].record_date == date(2024, 1, 3)


def test_days_ago_are_counted_from_the_name(tmp_path: Path) -> None:
    touch(tmp_path / "20240101_scratch119.a.b.stats.gz")
    touch(tmp_path / "20240114_scratch119.a.b.stats.gz")
    assert newest_dump(tmp_path, VOLUME, date(2024, 1, 11), 10).record_date == date(2024, 1, 1)
    with pytest.raises(DumpNotFound, match="older than 10 days"):
        newest_dump(tmp_path, VOLUME, date(2024, 1, 12), 10)
    with pytest.raises(DumpNotFound, match="no dump"):
        newest_dump(tmp_path, Volume("scratch120", "/x"), date(2024, 1, 11), 10)


def test_base_directories_are_those_of_the_date(tmp_path: Path) -> None:
    with pytest.raises(BaseDirectoriesError, match="no .basedirs"):
        find_base_directories(tmp_path, date(2024, 1, 1))
    undated = touch(tmp_path / "all.basedirs")
    assert find_base_directories(tmp_path, date(2024, 1, 1)) == undated
    late = touch(tmp_path / "20240105_x.basedirs")
    assert find_base_directories(tmp_path, date(2024, 1, 1)) == late
    early = touch(tmp_path / "20231201.basedirs")
    later = touch(tmp_path / "20240101-101010_y.basedirs")
    touch(tmp_path / ".20240101.basedirs")
    assert find_base_directories(tmp_path, date(2023, 12, 31)) == early
    assert find_base_directories(tmp_path, date(2024, 1, 1)) == later
    assert find_base_directories(tmp_path, date(2025, 1, 1)) == late


def test_base_directories_are_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.basedirs"
    path.write_bytes(b"10\t/a/b/\n10\t/\xff\t b\n\n-1\t/\n")
    assert read_base_directories(path) == [(10, b"/a/b"), (10, b"/\xff\t b"), (-1, b"/")]


@pytest.mark.parametrize("line", [b"10 /a", b"10\t/a\r", b"x\t/a", b"10\ta", b"\t/a", b"1" * 30 + b"\t/a"])
def test_a_malformed_line_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "x.basedirs"
    path.write_bytes(b"10\t/a\n" + line + b"\n")
    with pytest.raises(BaseDirectoriesError, match=r"x\.basedirs:2:"):
        read_base_directories(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=60) | st.text("0123456789\t/\n-ab").map(str.encode))
def test_any_base_directories_are_read_or_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.basedirs"
    path.write_bytes(content)
    try:
        pairs = read_base_directories(path)
    except BaseDirectoriesError as error:
        assert ":" in error.message
    else:
        assert all(directory.startswith(b"/") for _, directory in pairs)
