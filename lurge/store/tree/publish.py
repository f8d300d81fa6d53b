"""Publishing an index: its manifest, its place, and the removal of old ones."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from lurge.atomic import remove_abandoned, sync_all, sync_folder, unfinished_name
from lurge.errors import OutputError
from lurge.model.dump import Dump
from lurge.model.tree import AGE_DAYS, ENDS, SIZE_NAMES, TreeTotals
from lurge.store.tree.layout import MANIFEST, VERSION

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Names:
    """The names of the groups and users of an index, by number, and of its filetypes in their order."""

    groups: Mapping[int, str]
    users: Mapping[int, str]
    filetypes: Sequence[str]


def manifest_of(dump: Dump, totals: TreeTotals, names: Names) -> dict[str, Any]:
    """The manifest of an index: everything that concerns it as a whole."""
    return {
        "schema_version": VERSION,
        "volume": dump.volume.name,
        "path": dump.volume.mount,
        "date": dump.record_date.isoformat(),
        "dump": str(dump.path),
        "dump_time": dump.time,
        "directories": totals.directories,
        "rows": dict(totals.rows),
        "sums": {"records": totals.records, "bytes": totals.bytes},
        "age_days": list(AGE_DAYS),
        "size_classes": list(SIZE_NAMES),
        "filetypes": [*names.filetypes, *ENDS],
        "groups": {str(gid): names.groups[gid] for gid in totals.gids},
        "users": {str(uid): names.users[uid] for uid in totals.uids},
        "written": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def folder_of(directory: Path, volume: str) -> Path:
    """The folder of the indexes of a volume, whose name may be `..`: a first dot is written as `%2E`."""
    return directory / (f"%2E{volume[1:]}" if volume.startswith(".") else volume)


def place_of(directory: Path, volume: str, day: date) -> Path:
    """The folder of an index."""
    return folder_of(directory, volume) / f"{day:%Y%m%d}"


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Write the manifest of a finished index. Raises OSError."""
    sizes = {str(path.relative_to(folder)): path.stat().st_size for path in sorted(folder.rglob("*.parquet"))}
    whole = {**manifest, "files": sizes}
    (folder / MANIFEST).write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def publish(folder: Path, directory: Path, manifest: Mapping[str, Any]) -> Path:
    """Move a finished index to its place, instead of the one that is there; returns the place. Raises OutputError."""
    place = place_of(directory, str(manifest["volume"]), date.fromisoformat(str(manifest["date"])))
    try:
        write_manifest(folder, manifest)
        sync_all(folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        replaced = place.with_name(unfinished_name(place.name))
        if place.exists():
            place.rename(replaced)
        try:
            folder.rename(place)
        except OSError:
            if replaced.exists():
                replaced.rename(place)
            raise
        sync_folder(place.parent)
        shutil.rmtree(replaced, ignore_errors=True)
    except OSError as error:
        raise OutputError.at(place, error) from error
    return place


def indexed_days(folder: Path) -> list[date]:
    """The dates of the indexes of a volume, in order."""
    days = []
    try:
        paths = list(folder.iterdir())
    except OSError:
        return []
    for path in paths:
        # Other files, and folders that may not be read, are no indexes.
        with suppress(ValueError, OSError):
            day = datetime.strptime(path.name, "%Y%m%d").date()
            if (path / MANIFEST).is_file():
                days.append(day)
    return sorted(days)


def kept_days(days: Sequence[date], keep: int) -> list[date]:
    """The dates, of some in order, whose indexes are kept: of the last `keep` days, and the last of each month."""
    newest_of_month = {(day.year, day.month): day for day in days}.values()
    return [day for day in days if (days[-1] - day).days < keep or day in newest_of_month]


def would_be_kept(directory: Path, volume: str, day: date, keep: int, others: Iterable[date] = ()) -> bool:
    """True if `prune` would keep an index of a date. others: dates of which there will be an index, too."""
    days = indexed_days(folder_of(directory, volume))
    return day in kept_days(sorted({*days, day, *others}), keep)


def prune(directory: Path, volume: str, keep: int) -> list[date]:
    """Remove old indexes of a volume; returns their dates. keep: days, for `kept_days`."""
    folder = folder_of(directory, volume)
    days = indexed_days(folder)
    removed = [day for day in days if day not in kept_days(days, keep)]
    for day in removed:
        aside = folder / unfinished_name(f"{day:%Y%m%d}")
        try:
            place_of(directory, volume, day).rename(aside)
        except OSError as error:
            log.warning("%s: the tree index of %s is kept: %s", volume, day, error.strerror)
            continue
        shutil.rmtree(aside, ignore_errors=True)
    remove_abandoned(folder)
    return removed
