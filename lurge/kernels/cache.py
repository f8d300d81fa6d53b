"""Compiled kernels on disk: numba's files, written whole; a damaged one is compiled again."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from numba.core.caching import FunctionCache, IndexDataCacheFile

from lurge.atomic import remove_abandoned, whole_file
from lurge.errors import OutputError
from lurge.kernels.places import CACHE

log = logging.getLogger(__name__)


class KernelFiles(IndexDataCacheFile):
    """The files of one kernel: an index, and the code for each signature."""

    @contextmanager
    def _open_for_write(self, filepath: str) -> Iterator[BinaryIO]:
        with whole_file(Path(filepath)) as file:
            yield file

    def are_whole(self) -> bool:
        """True if a kernel is kept and each of its files can be read."""
        try:
            names = self._load_index().values()  # type: ignore[no-untyped-call]
            return bool(names) and all(self._load_data(name) for name in names)  # type: ignore[no-untyped-call]
        except Exception:
            return False


class KernelCache(FunctionCache):
    """The cache of one kernel: an unreadable file is compiled again, and an unwritable one does no harm."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call]
        stamp = self._impl.locator.get_source_stamp()
        self._files = KernelFiles(self._cache_path, self._impl.filename_base, stamp)  # type: ignore[no-untyped-call]
        self._cache_file = self._files

    def is_kept(self) -> bool:
        """True if the kernel need not be compiled."""
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
