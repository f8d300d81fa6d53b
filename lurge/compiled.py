"""How kernels are compiled, where compiled code is kept, and the constants that keep them from being compiled twice.

Compiled code that is loaded runs as this user. So it is loaded only from directories in which nobody else can put it.
"""

from __future__ import annotations

import atexit
import hashlib
import logging
import os
import pickle
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lurge.atomic import remove_abandoned, unfinished_folder, whole_file
from lurge.errors import OutputError

CACHE_VARIABLE = "NUMBA_CACHE_DIR"
SOURCES = ("compiled.py", "aggregate/*.py", "model/*.py", "stream/blocks.py", "source/synth/lines.py")
PACKAGE = Path(__file__).parent
WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH

PRIVATE = "kernels"
TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - used only if nobody else can change what is made there
UNTIL_THE_END = ExitStack()
atexit.register(UNTIL_THE_END.close)

log = logging.getLogger(__name__)


def make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for this user alone. Raises OSError."""
    if not folder.exists():
        if not folder.parent.exists():
            make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def is_own(folder: Path) -> bool:
    """Whether a folder, not a link to one, is this user's and nobody else may write into it. Raises OSError."""
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & WRITABLE_BY_OTHERS


def is_fixed(folder: Path) -> bool:
    """Whether nobody else can put another folder in the place of this one. Raises OSError."""
    for above in folder.parents:
        found = above.stat()
        if found.st_uid not in (0, os.geteuid()):
            return False
        if found.st_mode & WRITABLE_BY_OTHERS and not found.st_mode & stat.S_ISVTX:
            return False
    return True


def has_foreign_link(path: Path) -> bool:
    """Whether a link on the way is another user's, who may let it lead elsewhere at any time. Raises OSError."""
    links = (above for above in (path, *path.parents) if above.is_symlink())
    return any(link.lstat().st_uid not in (0, os.geteuid()) for link in links)


def safe_folder(folder: Path) -> Path | None:
    """A folder, made if it can be, by its path without links, if code may be kept in it."""
    try:
        if has_foreign_link(folder) or folder.is_symlink():
            return None
        make_private(folder)
        # From here on only this path counts: where links lead may change.
        folder = Path(os.path.realpath(folder))
        # Whoever can write beside the sources can write the sources.
        beside_sources = folder.parent.parent == Path(os.path.realpath(PACKAGE))
        fixed = is_own(folder.parent) if beside_sources else is_fixed(folder)
        return folder if is_own(folder) and fixed and os.access(folder, os.W_OK | os.X_OK) else None
    except OSError:
        return None


def cache_places() -> Iterator[Path]:
    """The places for compiled code, the best first: where every node finds it, if it can be."""
    if given := os.environ.get(CACHE_VARIABLE):
        yield Path(os.path.abspath(given))
    yield PACKAGE / "__pycache__"
    home = Path(os.path.expanduser("~"))
    if home.is_absolute():
        yield home / ".cache" / "lurge"
    yield Path(tempfile.gettempdir()) / f"lurge-{os.geteuid()}"


def find_cache() -> Path:
    """The folder of the compiled kernels of these sources: numba compiles again what changed, not what calls it.

    Where no place is safe, a new folder that is removed at the end. Raises OutputError if there can be none.
    """
    digest = hashlib.sha256()
    for path in sorted(path for pattern in SOURCES for path in PACKAGE.glob(pattern)):
        digest.update(path.read_bytes())
    name = f"kernels-{digest.hexdigest()[:12]}"
    for place in cache_places():
        if folder := safe_folder(place if place.name == name else place / name):
            return folder
    return private_folder()


def private_folder() -> Path:
    """A new folder for this process alone, removed at the end. Raises OutputError."""
    for place in dict.fromkeys((tempfile.gettempdir(), *TEMPORARY)):
        temporary = Path(os.path.realpath(place))
        with suppress(OSError):
            if not has_foreign_link(Path(place)) and is_fixed(temporary / PRIVATE):
                remove_abandoned(temporary)
                return UNTIL_THE_END.enter_context(unfinished_folder(temporary)) / PRIVATE
    raise OutputError(
        f"no folder for compiled kernels: others may exchange what is in {tempfile.gettempdir()}, or it is full",
        f"Set ${CACHE_VARIABLE} to a folder of your own that nobody else may write to.",
    )


GIVEN = os.environ.get(CACHE_VARIABLE)
CACHE = find_cache()
IS_KEPT = CACHE.name != PRIVATE
os.environ[CACHE_VARIABLE] = str(CACHE)

# numba looks for the place when it is imported.
from numba import njit  # noqa: E402
from numba.core.caching import FunctionCache, IndexDataCacheFile  # noqa: E402

OPTIONS: dict[str, Any] = {
    "nogil": True,
    "boundscheck": False,
    "error_model": "numpy",
    "_nrt": False,
    "no_cfunc_wrapper": True,
}
"""Without the interpreter's lock, without bounds checks.

_nrt: kernels allocate nothing, so they need no reference counts; with them, every call of one kernel by another counts
each of the arrays it passes, and a pass takes five times as long.
"""

WITHIN: dict[str, Any] = OPTIONS | {"no_cpython_wrapper": True}


class KernelFiles(IndexDataCacheFile):
    """The files of one kernel: an index, and the code for each signature."""

    @contextmanager
    def _open_for_write(self, filepath: str) -> Iterator[BinaryIO]:
        with whole_file(Path(filepath)) as file:
            yield file

    def are_whole(self) -> bool:
        """Whether a kernel is kept, and each of its files can be read."""
        try:
            names = self._load_index().values()  # type: ignore[no-untyped-call]
            return bool(names) and all(self._load_data(name) for name in names)  # type: ignore[no-untyped-call]
        except Exception:
            return False


class KernelCache(FunctionCache):
    """Kernels on disk: what cannot be read there is compiled again, what cannot be written is used all the same."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        stamp = self._impl.locator.get_source_stamp()
        self._files = KernelFiles(self._cache_path, self._impl.filename_base, stamp)  # type: ignore[no-untyped-call]
        self._cache_file = self._files

    def is_kept(self) -> bool:
        """Whether the kernel need not be compiled."""
        return self._files.are_whole()

    def load_overload(self, signature: Any, context: Any) -> Any:
        """As numba does it, but without importing first everything that only compiling needs."""
        try:
            return self._load_overload(signature, context)  # type: ignore[no-untyped-call]
        except Exception as error:
            log.warning("%s: a compiled kernel is damaged (%s): compiling it again", self._cache_path, error)
            try:
                self.flush()  # type: ignore[no-untyped-call]
            except (OSError, OutputError):
                log.debug("the damaged kernel stays", exc_info=True)
            return None

    def save_overload(self, signature: Any, data: Any) -> None:
        remove_abandoned(Path(self._cache_path))
        try:
            super().save_overload(signature, data)  # type: ignore[no-untyped-call]
        except (OSError, OutputError) as error:
            log.warning("%s: compiled kernels cannot be kept: %s", self._cache_path, error)


def damaged_files() -> list[Path]:
    """The files of compiled kernels that cannot be read: empty, cut, or not what they should be."""
    damaged = []
    for path in sorted(CACHE.rglob("*.nb[ic]")):
        try:
            with path.open("rb") as file:
                pickle.load(file)  # noqa: S301 - nobody else can write there
                if path.suffix == ".nbi":
                    pickle.load(file)  # noqa: S301
        except Exception:
            damaged.append(path)
    return damaged


def compiled(function: Callable[..., Any]) -> Any:
    """Decorates a kernel that Python calls."""
    kernel = njit(**OPTIONS)(function)
    kernel._cache = KernelCache(function)
    return kernel


within = njit(**WITHIN)
"""Decorates a kernel that only kernels may call: it is kept as part of these, and nothing is compiled for Python."""

inlined = njit(**WITHIN, forceinline=True)
"""Decorates one that is called for every record: a call hands over every array of a tuple one by one."""

ZERO, ONE = np.int64(0), np.int64(1)
"""Arguments that are constants: a literal would make numba compile the called kernel once for each value."""
