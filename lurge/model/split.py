"""The lines of each group, for other programs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Portion(NamedTuple):
    """The records of some lines, sorted by group, in the dump's order in each group.

    gids, lines, directories: int64, one for each group, ascending gids. ends: int64, where each group's text ends.
    text: uint8, 11 columns a line (docs/formats.md).
    """

    gids: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64]
    directories: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    text: npt.NDArray[np.uint8]


class GroupLines(NamedTuple):
    """How many lines, and among them directories, a group has."""

    gid: int
    lines: int
    directories: int
