"""SQLite's readers and the nightly job do not stand in each other's way."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from lurge.config.database import DatabaseConfig
from lurge.errors import StoreUnavailable
from lurge.store.database import Database, journal
from lurge.store.database.journal import file_system
from lurge.store.database.lock import sole_run
from lurge.store.usage.area import USAGE
from lurge.store.usage.swap import store_volume
from tests.contract.test_store import named, paths
from tests.services import need

OLD, NEW = ["a0", "a1", "a2"], ["new0", "new1", "new2"]
QUERY = "select directory_path from directory order by directory_path"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A database that every user may read, but only this one may write."""
    # Folders of pytest are closed to other users.
    folder = Path("/var/tmp") / f"lurge-journal-{tmp_path.name}-{os.getpid()}"
    folder.mkdir(mode=0o755)
    yield folder / "lurge.db"
    shutil.rmtree(folder)


def make(path: Path, retry_seconds: int = 5) -> Database:
    database = Database(DatabaseConfig(url=f"sqlite:///{path}", retry_seconds=retry_seconds))
    with sole_run(database, USAGE, "report"):
        store_volume(database, named())
    return database


def as_nobody(path: Path) -> list[str]:
    """The directories that another user reads, who may not write."""
    need(None if os.getuid() == 0 else "only root can become another user")
    code = f"import sqlite3; print([row[0] for row in sqlite3.connect({str(path)!r}).execute({QUERY!r})])"
    nobody = pwd.getpwnam("nobody").pw_uid
    done = subprocess.run(
        [shutil.which("python3", path="/usr/bin:/usr/local/bin") or sys.executable, "-c", code],
        user=nobody,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    return eval(done.stdout)  # type: ignore[no-any-return]


def test_an_open_transaction_of_a_viewer_does_not_stop_the_job(place: Path) -> None:
    database = make(place)
    viewer = sqlite3.connect(place, isolation_level=None)
    viewer.execute("begin")
    assert [row[0] for row in viewer.execute(QUERY)] == OLD
    with sole_run(database, USAGE, "report"):
        store_volume(database, named(size=20, subdirectory="new"))
    assert [row[0] for row in viewer.execute(QUERY)] == OLD
    viewer.execute("commit")
    assert [row[0] for row in viewer.execute(QUERY)] == NEW
    viewer.close()
    database.close()


def test_readers_see_the_old_rows_during_a_swap_that_fills_the_cache(place: Path) -> None:
    database = make(place)
    seen: list[list[str]] = []

    def look(*_: object) -> None:
        reader = sqlite3.connect(place, timeout=0)
        seen.append([row[0] for row in reader.execute(QUERY)])
        reader.close()

    def tiny_cache(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("pragma cache_size = 1")
        connection.execute("pragma cache_spill = 1")

    database.close()
    sa.event.listen(database.engine, "connect", tiny_cache)
    sa.event.listen(database.engine, "after_cursor_execute", look)
    store_volume(database, named(size=20, subdirectory="new"))
    assert len(seen) > 10
    assert all(state == OLD for state in seen)
    assert paths(database, "scratch101") == NEW
    database.close()


KILLED = """
import os, signal, sys
import sqlalchemy as sa
from lurge.config.database import DatabaseConfig
from lurge.store.database import Database
from lurge.store.usage.swap import Swap, store_volume
from tests.contract.test_store import named
database = Database(DatabaseConfig(url="sqlite:///" + sys.argv[1]))
sa.event.listen(database.engine, "connect", lambda c, _: c.execute("pragma cache_size = 1"))
Swap._insert_vault = lambda self: os.kill(os.getpid(), signal.SIGKILL)
store_volume(database, named(size=20, subdirectory="new"))
"""


def test_a_reader_who_may_not_write_reads_after_an_end_of_any_kind(place: Path) -> None:
    database = make(place)
    assert as_nobody(place) == OLD
    database.close()
    assert as_nobody(place) == OLD
    killed = subprocess.run([sys.executable, "-c", KILLED, str(place)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert as_nobody(place) == OLD
    database = make(place)
    store_volume(database, named(size=20, subdirectory="new"))
    database.close()
    assert as_nobody(place) == NEW


def test_the_log_does_not_stay_large(place: Path) -> None:
    make(place).close()
    assert place.with_name("lurge.db-wal").stat().st_size == 0


def test_a_network_file_system_keeps_the_usual_journal(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There a reader and a swap wait for each other, as long as database.retry_seconds says."""
    make(place).close()
    monkeypatch.setattr(journal, "LOCAL", frozenset())
    monkeypatch.setattr("lurge.store.database.sqlite.BUSY_SECONDS", 0.1)
    database = make(place, retry_seconds=1)
    assert not place.with_name("lurge.db-wal").exists()
    viewer = sqlite3.connect(place, isolation_level=None)
    viewer.execute("begin")
    viewer.execute(QUERY).fetchall()
    with pytest.raises(StoreUnavailable, match="locked"):
        store_volume(database, named(size=20, subdirectory="new"))
    viewer.close()
    store_volume(database, named(size=20, subdirectory="new"))
    assert paths(database, "scratch101") == NEW
    database.close()


MOUNTS = r"""22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:22 / /lustre/scratch\040one rw - lustre 10.0.0.1@tcp:/scratch rw
24 22 0:23 / /data rw shared:2 master:3 - nfs4 server:/data rw
25 24 0:24 / /data rw - xfs /dev/b rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/a/b", "ext4"), ("/", "ext4"), ("/lustre/scratch one/x", "lustre"), ("/lustre/scratch one", "lustre"),
        ("/lustre/scratch", "ext4"), ("/data/x", "xfs"), ("/database", "ext4"),
    ],
)  # fmt: skip
def test_the_file_system_of_a_path_is_that_of_the_nearest_mount(path: str, kind: str) -> None:
    assert file_system(Path(path), MOUNTS) == kind


@given(st.text("/ -\n\\01ab") | st.text())
def test_any_list_of_mounts_is_read(text: str) -> None:
    assert isinstance(file_system(Path("/a/b"), text), str)
