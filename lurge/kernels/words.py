"""Words in one array, as kernels compare them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def pack_words(words: Sequence[bytes]) -> tuple[npt.NDArray[np.uint8], list[tuple[int, int]]]:
    """All words in one array, and where each begins and how long it is."""
    places, at = [], 0
    for word in words:
        places.append((at, len(word)))
        at += len(word)
    return np.frombuffer(b"".join(words) or b"\0", np.uint8).copy(), places
