"""Room for more rows in an array."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Item = TypeVar("Item", bound=np.generic)


def enlarged(array: npt.NDArray[Item], used: int, rows: int) -> npt.NDArray[Item]:
    """An array of more rows, which begins with the used ones of another; the rest is not filled."""
    larger: npt.NDArray[Any] = np.empty((rows, *array.shape[1:]), array.dtype)
    larger[:used] = array[:used]
    return larger
