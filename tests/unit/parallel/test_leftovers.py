"""Shared memory of killed jobs is removed, and only that."""

from __future__ import annotations

import mmap
import os
import time
from pathlib import Path

from lurge.parallel.leftovers import files_in_use, remove_leftovers


def make(path: Path, age: float = 3600) -> Path:
    path.write_bytes(b"x" * 4096)
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def test_only_what_nobody_uses_is_removed(tmp_path: Path) -> None:
    dead = [make(tmp_path / name) for name in ("mpich_shm_1014b054_0", "mpich_shar_tmpAb1Xy2", "ucx_shm_posix_1f")]
    make(tmp_path / "mpich_shm_2_0", age=0)
    make(tmp_path / "of another program")
    (tmp_path / "mpich_shm_3_0").symlink_to(tmp_path / "of another program")
    mapped, opened = make(tmp_path / "mpich_shm_4_0"), make(tmp_path / "mpich_shm_5_0")
    with mapped.open("r+b") as file:
        memory = mmap.mmap(file.fileno(), 4096)
    with opened.open("rb"):
        assert {str(mapped), str(opened)} <= files_in_use(tmp_path)
        assert sorted(remove_leftovers(tmp_path)) == sorted(dead)
        assert remove_leftovers(tmp_path) == []
    memory.close()
    assert sorted(remove_leftovers(tmp_path)) == sorted([mapped, opened])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mpich_shm_2_0", "mpich_shm_3_0", "of another program"]


def test_a_folder_that_is_not_there_has_nothing_to_remove(tmp_path: Path) -> None:
    assert remove_leftovers(tmp_path / "none") == []
