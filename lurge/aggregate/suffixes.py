"""The suffixes of filetypes as kernels look them up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lurge.kernels.suffixes import ENDING, KNOWN, UNKNOWN, WORD, Suffixes
from lurge.kernels.words import pack_words
from lurge.model.rules import FileType

NO_SUFFIX = -1, b""
"""The only suffix of a group without any; no name has it, and its number is that of no filetype."""

TRIES = 50
"""Factors to try before a hash table gets larger."""


def compile_suffixes(filetypes: Sequence[FileType]) -> Suffixes:
    """The kernel's form of the suffixes of each type."""
    suffixes = [
        (number, suffix.encode().lower()) for number, filetype in enumerate(filetypes) for suffix in filetype.suffixes
    ]
    short = [(number, suffix) for number, suffix in suffixes if len(suffix) < ENDING]
    endings = sorted({suffix[-ENDING:] for _, suffix in suffixes if len(suffix) >= ENDING})
    groups = [[entry for entry in short if entry[1][-1] == byte] for byte in range(256)]
    for ending in endings:
        shorter = [entry for entry in short if ending.endswith(entry[1])]
        groups.append(sorted([*shorter, *(entry for entry in suffixes if entry[1].endswith(ending))]))
    groups = [group or [NO_SUFFIX] for group in groups]
    sizes = np.array([len(group) for group in groups], np.int64)
    dotted = [all(len(suffix) <= WORD and suffix[:1] in (b".", b"") for _, suffix in group) for group in groups]
    ranges = np.stack([np.cumsum(sizes) - sizes, np.cumsum(sizes), np.array(dotted, np.int64)], axis=1)
    numbers = np.array([int.from_bytes(ending, "little") for ending in endings], np.uint64)
    factor, at_slots, slots = place_endings(numbers)
    table = np.full(slots, -1, np.int64)
    table[at_slots] = numbers
    long_groups = np.zeros((slots, 3), np.int64)
    long_groups[at_slots] = ranges[256:]
    rows = [entry for group in groups for entry in group]
    text, places = pack_words([suffix for _, suffix in rows])
    tails = [int.from_bytes(suffix[-WORD:].rjust(WORD, b"\0"), "little") if suffix else 1 for _, suffix in rows]
    masks = [2**64 - 2 ** (8 * max(WORD - len(suffix), 0)) for _, suffix in rows]
    return Suffixes(
        text=text,
        at=np.array([(*place, number) for place, (number, _) in zip(places, rows, strict=True)], np.int64),
        tail=np.array([tails, masks], np.uint64).T.copy(),
        endings=table,
        factor=np.array([factor], np.uint64),
        groups=np.concatenate([long_groups, ranges[:256]]),
        known=np.full((KNOWN, 3), UNKNOWN, np.int64),
    )


def place_endings(endings: npt.NDArray[np.uint64]) -> tuple[np.uint64, npt.NDArray[np.uint64], int]:
    """A hash table of different endings without collisions: (factor, the slot of each, number of slots)."""
    random = np.random.default_rng(0)
    slots = 64
    while True:
        for factor in random.integers(2**64, size=TRIES, dtype=np.uint64):
            places = (endings * factor >> np.uint64(32)) % np.uint64(slots)
            if len(np.unique(places)) == len(endings):
                return factor, places, slots
        slots *= 2
