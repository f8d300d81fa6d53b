"""Volumes in the names of dumps, and as lurge.toml has them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from lurge.model.dump import Volume

FULLWIDTH_SOLIDUS = "\uff0f"
MOST_NAMED = 8


def folder_mount(mount: str) -> str:
    """A mount point as the name of a dump's folder has it."""
    return mount.replace("/", FULLWIDTH_SOLIDUS)


def volume_named(name: str) -> Volume:
    """The volume that the name of a dump stands for: a mount point, or a name that is mounted at /lustre/<name>."""
    if name.startswith(FULLWIDTH_SOLIDUS):
        mount = name.replace(FULLWIDTH_SOLIDUS, "/")
        return Volume(mount.rstrip("/").rpartition("/")[2] or "root", mount)
    return Volume(name, f"/lustre/{name}")


def as_toml(volume: Volume) -> str:
    """A volume as it stands in dumps.volumes."""
    name, mount = (json.dumps(text, ensure_ascii=False) for text in (volume.name, volume.mount))
    return name if volume.mount == f"/lustre/{volume.name}" else f"{{ name = {name}, path = {mount} }}"


def missing_dump(directory: Path, volume: Volume, names: Iterable[str]) -> tuple[str, str]:
    """(message, advice) for a volume without a dump; names: of the volumes or mount points that have dumps."""
    message = f"{volume.name}: no dump in {directory}"
    there = sorted(map(volume_named, set(names)), key=lambda other: (other.name, other.mount))
    if not there:
        example = f"20240131_{volume.name}.X.Y.stats.gz"
        return f"{message}, nor of any other volume", f"Set dumps.directory to where dumps such as {example} lie."
    listed = ", ".join(other.name for other in there[:MOST_NAMED])
    more = f" and {len(there) - MOST_NAMED} more" if len(there) > MOST_NAMED else ""
    own = volume.mount.rpartition("/")[2]
    likely = [other for other in there if volume.name in other.name or own == other.name] or there
    line = f"volumes = [{', '.join(map(as_toml, likely[:MOST_NAMED]))}]"
    return f"{message}; there are dumps of {listed}{more}", f"If one of them is meant, write in [dumps]: {line}"
