"""The lines of each group, split for other programs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Portion(NamedTuple):
    """The records of some lines, sorted by group. Within a group they are in the order of the dump.

    gids, lines, directories: int64[groups], in ascending order of gids; lines and directories are numbers of records.
    ends: int64[groups], the end of each group's text. text: uint8, lines of 11 columns (docs/formats.md).
    """

    gids: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64]
    directories: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    text: npt.NDArray[np.uint8]


class GroupLines(NamedTuple):
    """The number of lines of a group, and how many of them are directories."""

    gid: int
    lines: int
    directories: int
