"""Names of volumes, in the names of dumps and in lurge.toml."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from lurge.model.dump import Volume

FULLWIDTH_SOLIDUS = "\uff0f"
MAX_NAMED = 8


def folder_mount(mount: str) -> str:
    """A mount point as written in the name of a dump's folder: each slash is U+FF0F."""
    return mount.replace("/", FULLWIDTH_SOLIDUS)


def volume_named(name: str) -> Volume:
    """The volume that a dump's name refers to: by its mount point, or by a name that is mounted at /lustre/<name>."""
    if name.startswith(FULLWIDTH_SOLIDUS):
        mount = name.replace(FULLWIDTH_SOLIDUS, "/")
        return Volume(mount.rstrip("/").rpartition("/")[2] or "root", mount)
    return Volume(name, f"/lustre/{name}")


def as_toml(volume: Volume) -> str:
    """A volume as written in dumps.volumes."""
    name, mount = (json.dumps(text, ensure_ascii=False) for text in (volume.name, volume.mount))
    return name if volume.mount == f"/lustre/{volume.name}" else f"{{ name = {name}, path = {mount} }}"


def missing_dump(directory: Path, volume: Volume, names: Iterable[str]) -> tuple[str, str]:
    """(message, advice) for a volume without a dump. names: the volumes or mount points that have dumps."""
    message = f"{volume.name}: no dump in {directory}"
    volumes = sorted(map(volume_named, set(names)), key=lambda other: (other.name, other.mount))
    if not volumes:
        example = f"20240131_{volume.name}.X.Y.stats.gz"
        return (
            f"{message}, nor of any other volume",
            f"Set dumps.directory to the directory that holds dumps such as {example}.",
        )
    listed = ", ".join(other.name for other in volumes[:MAX_NAMED])
    more = f" and {len(volumes) - MAX_NAMED} more" if len(volumes) > MAX_NAMED else ""
    mount_name = volume.mount.rpartition("/")[2]
    likely = [other for other in volumes if volume.name in other.name or mount_name == other.name] or volumes
    line = f"volumes = [{', '.join(map(as_toml, likely[:MAX_NAMED]))}]"
    return f"{message}; there are dumps of {listed}{more}", f"If one of them is meant, write in [dumps]: {line}"
