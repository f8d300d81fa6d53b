"""[dumps]: the volumes, and the directory of their dumps."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, Strict, model_validator

from lurge.config.fields import AbsolutePath, ExistingDirectory, ExistingFile, Name, Share, Whole, written_as
from lurge.config.section import Section, problem
from lurge.model.dump import Volume

MOUNTS = "/lustre"


def volume_name(name: str) -> str:
    if re.search(r"[/\0]", name):
        raise ValueError(f"{name!r} is not a valid name of a volume: it must not contain a slash")
    return name


class VolumeTable(Section):
    """A volume that is not mounted at /lustre/<name>, or a bucket."""

    name: Annotated[Name, AfterValidator(volume_name)] = Field(description="Name in the database.", examples=["usr"])
    path: AbsolutePath | None = Field(None, description="Mount point. A bucket has none.", examples=["/usr"])
    inventory: Annotated[Name, AfterValidator(volume_name)] | None = Field(
        None, description="A bucket, whose newest inventory in the lake is read.", examples=["archive-bucket"]
    )

    @model_validator(mode="after")
    def _is_one_of_both(self) -> VolumeTable:
        if (self.path is None) == (self.inventory is None):
            raise ValueError("must have either a path or an inventory")
        return self


def as_table(value: Any) -> Any:
    """The table of a volume that is given by its name only."""
    if isinstance(value, str):
        return {"name": value, "path": f"{MOUNTS}/{value}"}
    if not isinstance(value, dict):
        raise ValueError("must be a name, or a table of a name and a path or an inventory")
    return value


def volume_of(table: VolumeTable) -> Volume:
    """The volume of a table. The objects of a bucket are below /<bucket>."""
    return Volume(table.name, table.path or f"/{table.inventory}", table.inventory)


def as_written(volume: Volume) -> Any:
    if volume.inventory:
        return {"name": volume.name, "inventory": volume.inventory}
    bare = volume.mount == f"{MOUNTS}/{volume.name}"
    return volume.name if bare else {"name": volume.name, "path": volume.mount}


VolumeEntry = Annotated[
    Volume,
    written_as(
        Volume,
        Annotated[VolumeTable, BeforeValidator(as_table, json_schema_input_type=str | VolumeTable)],
        volume_of,
        as_written,
    ),
]


def distinct(volumes: tuple[Volume, ...]) -> tuple[Volume, ...]:
    """`volumes`, after a check that there is at least one and that all names differ."""
    if not volumes:
        raise ValueError('must list at least one volume, for example ["scratch119"]')
    names = [volume.name for volume in volumes]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise problem(f"{name} is listed twice", number)
    return volumes


class DumpsConfig(Section):
    """The dumps to read. Only commands that read dumps need this table."""

    directory: ExistingDirectory = Field(
        description="Directory in which wrstat publishes dumps.", examples=["/where/wrstat/publishes"]
    )
    volumes: Annotated[tuple[VolumeEntry, ...], Strict(False), AfterValidator(distinct)] = Field(
        description="Volumes to report on: names, mounted at `/lustre/<name>`, or tables of a name and a path or the"
        " inventory of a bucket.",
        examples=[["scratch119", {"name": "usr", "path": "/usr"}]],
    )
    max_days_ago: Whole = Field(
        10,
        description="Maximum age of a volume's newest dump, in days by the date in its name (UTC). A dump of exactly"
        " this age is read.",
    )
    max_rejected_fraction: Share = Field(
        0.01, description="A volume fails if its rejected lines exceed this share of its records."
    )
    base_directories: ExistingFile | None = Field(
        None,
        description="A .basedirs file. If not set, the file is searched for beside the dumps.",
        examples=["some.basedirs"],
    )
