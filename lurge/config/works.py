"""[works]: trees of works in states, and how their images are counted."""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from lurge.config.fields import Name, RelativePath, Share, Strings, in_reports, resolve
from lurge.config.section import Section, problem
from lurge.model.works import FULL, PUBLISH_STATES, STATES, SUFFIXES, WEB, is_published


def normal(path: str) -> str:
    """An absolute path as dumps have it, without repeated slashes, `.` and `..`."""
    return f"/{os.path.abspath(path).lstrip('/')}"


def place_of(value: object, info: ValidationInfo) -> str:
    """The path of a tree, relative to the configuration file."""
    return normal(str(resolve(value, info)))


class WorksTree(Section):
    """A tree of works in one state."""

    state: Name = Field(description="The state of its works.", examples=["scanned"])
    path: Annotated[str, BeforeValidator(place_of)] = Field(
        description="The tree; a relative path is relative to the file.",
        examples=["/lustre/scratch119/scans"],
        json_schema_extra={"format": "path"},
    )


class PublishedConfig(Section):
    """The rule for the state of published works."""

    directory: Name = Field("archive", description="The directory of a work that holds its archive images.")
    share: Share = Field(0.3, description="Share of the work's files that must be in directories in it.")
    full: Name = Field(FULL, description="The state of works with that share.")
    web: Name = Field(WEB, description="The state of all others.")


class WorksConfig(Section):
    """Works in states: how many images of which work are where."""

    count: Literal["images", "files"] = Field(
        "images", description="`images`: count files with the suffixes of images. `files`: count every regular file."
    )
    image_suffixes: Strings = Field(SUFFIXES, description="Suffixes of images, compared without case.")
    from_dumps: bool = Field(
        False,
        description="Count the works of trees on dumped volumes in `lurge report`, without walking.",
    )
    sizes: bool = Field(
        True,
        description="Keep bytes and the newest mtime of each work. Without them, walking only lists directories.",
    )
    states: dict[Name, str] = Field(
        default_factory=dict,
        description="More states: name = description.",
        examples=[{"proofread": "Proofread by the department"}],
    )
    published: PublishedConfig = Field(default_factory=dict, validate_default=True)
    rejects: RelativePath = in_reports("works-rejects", "Directory of lines of backlogs that could not be loaded.")
    trees: Annotated[tuple[WorksTree, ...], BeforeValidator(tuple)] = Field(
        (), strict=False, description="The trees that `lurge works gather` walks."
    )

    @model_validator(mode="after")
    def _know_states(self) -> WorksConfig:
        for number, tree in enumerate(self.trees):
            if tree.state not in self.all_states and not is_published(tree.state):
                known = ", ".join(self.all_states)
                raise problem(f"{tree.state!r} is not a state; known are {known}", "trees", number, "state")
        return self

    @property
    def all_states(self) -> dict[str, str]:
        """Every state with its description."""
        return STATES | self.states

    @property
    def publish_states(self) -> dict[str, str]:
        """Every state of published works with its description."""
        own: dict[str, Any] = {name: name for name in (self.published.full, self.published.web)}
        return {**own, **PUBLISH_STATES}
