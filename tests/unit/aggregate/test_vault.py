"""Vault keys of every shape."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lurge.aggregate.plain import vault_file
from lurge.kernels.compiling import compiled
from lurge.kernels.vault import BAD_KEY, NO_KEY, read_vault_path
from lurge.model.report import VAULT_STATES
from lurge.source.synth.world import BRANCHES, vault_key
from tests.hostile import strategies


@compiled
def read_key(path, length, joined, out):
    """Calls the kernel, which only kernels can call."""
    return read_vault_path(path, length, joined, out, 0)


def by_kernel(path: bytes) -> tuple[str, bytes] | str | None:
    """The kernel's result for a path: (state, path), "bad" or None."""
    text, joined, out = (np.zeros(len(path) + 8, np.uint8) for _ in range(3))
    text[: len(path)] = np.frombuffer(path, np.uint8)
    branch, length = read_key(text, len(path), joined, out)
    if branch == BAD_KEY:
        return "bad"
    return None if branch == NO_KEY else (VAULT_STATES[branch], out[:length].tobytes())


def by_twin(path: bytes) -> tuple[str, bytes] | str | None:
    try:
        return vault_file(path)
    except ValueError:
        return "bad"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (b"keep/01/e2/40-cGF0aC90by9zb21lL2ZpbGU=", ("Keep", b"/root/path/to/some/file")),
        (b".limbo/02/00/00/04/00/00/00/01-dC9kYXRhPz4+fmZpbGU=", ("Limbo", b"/root/t/data?>>~file")),
        (b"archive/07-YS93aHk_Pz8udHh0", ("Archive", b"/root/a/why???.txt")),
        (b".staged/07-YQ==", ("Staged", b"/root/a")),
        (b".stash/07-YS93aHk/_Pz8udHh0", ("Stash", b"/root/a/why???.txt")),
        (b".audit", None),
        (b"keep", None),
        (b"keep/", None),
        (b"other/07-YQ==", None),
        (b"Keep/07-YQ==", None),
        (b"keep/07YQ==", "bad"),
        (b"keep/-YQ==", "bad"),
        (b"keep/7-YQ==", "bad"),
        (b"keep/zz-YQ==", "bad"),
        (b"keep/07-YQ=", "bad"),
        (b"keep/07-", "bad"),
        (b"keep/07-Y/Q==", ("Keep", b"/root/a")),
        (b"keep/07-YS9?", "bad"),
        (b"keep/ff/ff/ff/ff/ff/ff/ff/ff-YQ==", ("Keep", b"/root/a")),
        (b"keep/00/ff/ff/ff/ff/ff/ff/ff/ff-YQ==", "bad"),
    ],
)
def test_a_vault_path_is_a_key_a_bad_key_or_neither(key: bytes, expected: tuple[str, bytes] | str | None) -> None:
    path = b"/root/.vault/" + key
    assert by_kernel(path) == expected
    assert by_twin(path) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"/.vault/keep/07-YQ==", ("Keep", b"/a")),
        (b"/a/b.vault/keep/07-YQ==", None),
        (b"/a/.vaults/keep/07-YQ==", None),
    ],
)
def test_only_a_directory_named_vault_is_a_vault(path: bytes, expected: tuple[str, bytes] | None) -> None:
    assert by_kernel(path) == expected
    assert by_twin(path) == expected


@given(
    inode=st.integers(0, 2**64 - 1),
    relative=st.binary(min_size=1, max_size=900),
    branch=st.integers(0, len(BRANCHES) - 1),
)
def test_the_path_of_a_key_is_restored(inode: int, relative: bytes, branch: int) -> None:
    path = b"/some/root/.vault/" + BRANCHES[branch] + b"/" + vault_key(inode, relative)
    assert all(len(part) <= 255 for part in path.split(b"/"))
    assert by_kernel(path) == (VAULT_STATES[branch], b"/some/root/" + relative)


similar_to_keys = st.text("0127abf-/YQ=_+.", max_size=30).map(str.encode)


@given(rest=st.binary(max_size=30) | similar_to_keys | strategies.byte_names)
def test_the_kernel_reads_hostile_keys_like_the_twin(rest: bytes) -> None:
    for start in (b"/.vault/keep/", b"/r/.vault/", b"/r/.vault/.stash/07-"):
        assert by_kernel(start + rest) == by_twin(start + rest)
