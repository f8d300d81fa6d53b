"""The folder in which compiled kernels are kept.

Compiled code that is loaded runs as this user. So it is loaded only from directories in which nobody else can put it.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

from lurge.atomic import remove_abandoned, unfinished_folder
from lurge.errors import OutputError

CACHE_VARIABLE = "NUMBA_CACHE_DIR"
SOURCES = ("kernels/*.py", "model/*.py", "source/synth/lines.py")
PACKAGE = Path(__file__).parent.parent
WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH

PRIVATE = "kernels"
TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - used only if nobody else can change what is made there
UNTIL_THE_END = ExitStack()
atexit.register(UNTIL_THE_END.close)


def make_private(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for this user alone. Raises OSError."""
    if not folder.exists():
        if not folder.parent.exists():
            make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def is_own(folder: Path) -> bool:
    """True if a folder, not a link to one, is this user's and nobody else may write into it. Raises OSError."""
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & WRITABLE_BY_OTHERS


def is_fixed(folder: Path) -> bool:
    """True if nobody else can put another folder in the place of this one. Raises OSError."""
    for above in folder.parents:
        status = above.stat()
        if status.st_uid not in (0, os.geteuid()):
            return False
        if status.st_mode & WRITABLE_BY_OTHERS and not status.st_mode & stat.S_ISVTX:
            return False
    return True


def has_foreign_link(path: Path) -> bool:
    """True if a link on the way is another user's, who may let it lead elsewhere at any time. Raises OSError."""
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

    If no place is safe, a new folder that is removed at the end. Raises OutputError if there can be none.
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
