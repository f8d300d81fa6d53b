"""Loads that are killed at any step, loads beside each other, and disks and buckets that refuse."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from lurge.errors import LockHeld
from lurge.store.lake import write
from lurge.store.lake.loads import all_loads
from lurge.store.lake.locking import cleaning, loading
from lurge.store.lake.tidy import clean, expire
from tests.inventories import FIRST, ask, keys, lake, load, row, write_inventory
from tests.processes import job, processes_of, wait_for_none
from tests.site import run_lurge


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def after(step: Callable[[], None], real: Callable[..., Any]) -> Callable[..., Any]:
    """A function that takes a step before."""

    def both(*arguments: Any, **named: Any) -> Any:
        step()
        return real(*arguments, **named)

    return both


def die_while_loading(at: int, force: bool) -> None:
    """Load, and be killed before the given step: a file that is opened for writing, a statement, or a commit."""
    from pyiceberg.io.pyarrow import PyArrowFile

    steps = count(1)

    def step(*_: Any, **__: Any) -> None:
        if next(steps) == at:
            os.kill(os.getpid(), signal.SIGKILL)

    for owner, name in ((PyArrowFile, "create"), (write.Writer, "close"), (write.Writer, "flush")):
        setattr(owner, name, after(step, getattr(owner, name)))
    for event in ("before_cursor_execute", "commit"):
        sa.event.listen(sa.engine.Engine, event, step)
    status = load("reports", force=force).exit_status
    os._exit(status)


@pytest.mark.parametrize("force", [False, True])
def test_a_load_killed_at_any_step_leaves_the_table_as_it_was_or_whole(folder: Path, force: bool) -> None:
    write_inventory(folder, [[row("old")]])
    load("reports")
    if not force:
        write_inventory(folder, [[row("a"), row("b", Extra="x")], [row("c")]], FIRST + timedelta(days=1),
                        ("Bucket", "Key", "Size", "Extra"))  # fmt: skip
    context = multiprocessing.get_context("fork")
    before, whole = (["old"], ["old"]) if force else (["old"], ["a", "b", "c", "old"])
    done = 0
    for at in count(1):
        process = context.Process(target=die_while_loading, args=(at, force))
        process.start()
        process.join()
        assert keys() in (before, whole)
        if keys() == whole and not force:
            break
        if process.exitcode == 0:
            done = at
            break
        assert process.exitcode == -signal.SIGKILL
    assert at > 8
    assert done or not force
    clean(lake())
    table = lake().table()
    files = {path.name for path in Path("out/lake").rglob("*.parquet")}
    if not force:
        # Of a replaced load, an earlier snapshot still has the files.
        assert files == {task.file.file_path.rpartition("/")[2] for task in table.scan().plan_files()}
    assert load("reports").exit_status == 0
    assert keys() == whole


def load_in_process(place: str) -> None:
    os._exit(load(place).exit_status)


def test_loads_beside_each_other_all_succeed(folder: Path) -> None:
    places = []
    for number in range(4):
        place = folder / f"p{number}"
        write_inventory(place, [[row(f"k{number}")]], FIRST + timedelta(days=number))
        places.append(str(place))
    # Two of them load the same inventory, and the catalog is not there yet.
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=load_in_process, args=(place,)) for place in (*places, places[0])]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * len(processes)
    assert keys() == ["k0", "k1", "k2", "k3"]


def test_a_full_disk_fails_the_load_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_inventory(folder, [[row("old")]])
    load("reports")
    write_inventory(folder, [[row(f"k{n}") for n in range(100)]], FIRST + timedelta(days=1))

    def full(self: object, rows: object) -> bool:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(write._Open, "write", full)
        outcome = load("reports")
    assert outcome.exit_status == 3
    assert "No space left on device" in str([one.failed and one.failed.message for one in outcome.loads])
    assert keys() == ["old"]
    assert [path for path in clean(lake()) if path.endswith(".parquet")] == []


def test_a_warehouse_that_cannot_be_made_is_named(folder: Path) -> None:
    write_inventory(folder, [[row("a")]])
    (folder / "out").mkdir()
    (folder / "out" / "lake").write_text("a file")
    done = run_lurge("lake", "load", "reports")
    assert done.returncode == 1
    assert "out/lake" in done.stderr
    assert "Traceback" not in done.stderr


def test_cleaning_waits_for_no_load_and_loads_wait_for_cleaning(folder: Path) -> None:
    write_inventory(folder, [[row("a")]])
    load("reports")
    with loading(lake()), loading(lake()), pytest.raises(LockHeld), cleaning(lake()):
        pass


def test_old_inventories_expire_and_what_they_were_stays_known(folder: Path) -> None:
    recent = datetime.now(UTC).replace(hour=1, minute=0, second=0, microsecond=0)
    write_inventory(folder, [[row("old", 5)]])
    write_inventory(folder, [[row("new", 7)]], recent)
    load("reports")
    assert expire(lake(), 30)[0] == 1
    clean(lake())
    assert keys() == ["new"]
    assert len(list(Path("out/lake").rglob("*-0001.parquet"))) == 1
    loads = all_loads(lake(), lake().table())
    assert sorted(one.bytes for one in loads.values()) == [5, 7]
    assert all(one.is_known for one in load("reports").loads)
    assert ask("SELECT source, bytes FROM loads ORDER BY time") == [
        {"source": "archive/daily", "bytes": 5}, {"source": "archive/daily", "bytes": 7},
    ]  # fmt: skip
    assert expire(lake(), 30) == (0, 0)


def test_ranks_load_the_same_and_a_killed_rank_loads_nothing(folder: Path) -> None:
    rows = [[row(f"k{number}-{file}") for number in range(500)] for file in range(5)]
    write_inventory(folder, rows)
    assert run_lurge("lake", "load", "reports", "-n", "3").returncode == 0
    assert len(keys()) == 2500
    # A rank that dies ends the job: the table is as it was.
    write_inventory(folder, [[row(f"n{n}-{file}") for n in range(40_000)] for file in range(4)], FIRST + timedelta(1))
    said = folder / "said"
    with job("lake-ranks", [sys.executable, "-m", "lurge", "lake", "load", "reports", "-n", "3"], said) as process:
        while not list(Path("out/lake").rglob("dt=2024-01-02")):
            assert process.poll() is None, said.read_text()
        ranks = [number for number in processes_of("lake-ranks") if b"PMI_RANK=2" in environment(number)]
        for number in ranks:
            os.kill(number, signal.SIGKILL)
        process.wait(60)
    wait_for_none("lake-ranks")
    if process.returncode:
        assert len(keys()) == 2500
    assert run_lurge("lake", "load", "reports", "-n", "2").returncode == 0
    assert len(keys()) == 2500 + 160_000


def environment(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/environ").read_bytes()
    except OSError:
        return b""


def test_watching_loads_what_comes_and_ends_with_a_signal(folder: Path) -> None:
    write_inventory(folder, [[row("a")]])
    said = folder / "said"
    command = [sys.executable, "-m", "lurge", "lake", "load", "reports", "--watch", "--interval", "0.2"]
    with job("lake-watch", command, said) as process:

        def wait_for(expected: list[str]) -> None:
            for _ in range(300):
                if lake().exists and keys() == expected:
                    return
                assert process.poll() is None, said.read_text()
                time.sleep(0.1)
            raise AssertionError(said.read_text())

        wait_for(["a"])
        write_inventory(folder, [[row("b")]], FIRST + timedelta(days=1))
        wait_for(["a", "b"])
        process.terminate()
        assert process.wait(20) == 128 + signal.SIGTERM
