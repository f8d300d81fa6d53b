"""[[pseudo_groups]]: paths below which everything counts for one group."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from lurge.config.fields import AbsolutePath, Name, short_enough, written_as
from lurge.config.section import Section, problem
from lurge.model.rules import PseudoGroup


class PseudoGroupTable(Section):
    """A path and the group that everything below it counts for."""

    path: AbsolutePath = Field(
        description="Everything below this path counts for the group.", examples=["/lustre/scratch124/casm/team113"]
    )
    gid: int = Field(ge=-(2**63), le=2**63 - 1, description="Number of the group.", examples=[-1])
    name: Name = Field(description="Name of the group.", examples=["team113-116"])
    pi: Annotated[str, AfterValidator(short_enough)] = Field(
        "", description="Name of the group's PI.", examples=["Team 113"]
    )


def from_tables(tables: list[PseudoGroupTable]) -> tuple[PseudoGroup, ...]:
    """The pseudo groups, after a check that each path occurs once and each gid has one name and PI."""
    groups: list[PseudoGroup] = []
    for number, table in enumerate(tables):
        group = PseudoGroup(table.path, table.gid, table.name, table.pi or None)
        for other in groups:
            if other.path == group.path:
                raise problem(f"{group.path} is listed twice", number, "path")
            if other.gid == group.gid and (other.name, other.pi) != (group.name, group.pi):
                raise problem(f"{group.gid} has a different name or PI in an earlier entry", number, "gid")
        groups.append(group)
    return tuple(groups)


def to_tables(groups: tuple[PseudoGroup, ...]) -> list[dict[str, Any]]:
    return [{"path": group.path, "gid": group.gid, "name": group.name, "pi": group.pi or ""} for group in groups]


PseudoGroups = Annotated[tuple[PseudoGroup, ...], written_as(tuple, list[PseudoGroupTable], from_tables, to_tables)]
