"""Sizes as people see them, for many at once; each function is exact where Python's own arithmetic is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lurge.model.stored import LARGEST

MIB, GIB = 2**20, 2**30
UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
WHOLES = np.array([str(number) for number in range(1024)], object)
FRACTIONS = np.array(
    [
        [f"{str(part / 100)[1:]} {unit}" if number else f" {unit}" for part in range(100)]
        for number, unit in enumerate(UNITS)
    ],
    object,
)
"""What `human_size` writes before the point, and from there on, by unit and hundredths; bytes have none."""

EXACT_FLOAT = 2**53
"""Whole numbers below it are exact as floats, and as int64 still if a hundred times as large."""

Whole = npt.NDArray[Any]
"""int64, or whole numbers of any size as objects."""


def whole(numbers: Sequence[int]) -> Whole:
    """Whole numbers as int64, or as objects where one does not fit."""
    return np.array(numbers, np.int64 if max(numbers, default=0) <= LARGEST else object)


def are_exact(sizes: Whole) -> bool:
    """Whether sizes can be rounded with `hundredths`."""
    return sizes.dtype != object and bool(sizes.min(initial=0) >= 0 and sizes.max(initial=0) < EXACT_FLOAT)


def hundredths(sizes: npt.NDArray[np.int64], unit: npt.NDArray[np.int64] | int) -> npt.NDArray[np.int64]:
    """sizes / unit (a power of two) in hundredths, rounded as `round` does it: ties go to the even one."""
    found, rest = np.divmod(sizes * 100, unit)
    found += (2 * rest > unit) | ((2 * rest == unit) & (found % 2 == 1))
    return found


def exact_hundredths(size: int, unit: int) -> int:
    """What `hundredths` gives for one size, of any magnitude."""
    found, rest = divmod(size * 100, unit)
    return found + (2 * rest > unit or (2 * rest == unit and found % 2 == 1))


def decimal(found: int) -> str:
    """Hundredths as a decimal number, as Python writes floats: with at least one decimal, without a zero at the end."""
    before, after = divmod(found, 100)
    return f"{before}.{after:02d}".removesuffix("0")


def to_mib(size: int) -> str:
    """Bytes as MiB, to two decimals, as text: no float holds all of them."""
    return decimal(exact_hundredths(size, MIB))


def to_gib(sizes: Whole) -> list[float]:
    """Bytes as GiB, to two decimals."""
    if not are_exact(sizes):
        return [exact_hundredths(size, GIB) / 100 for size in sizes.tolist()]
    rounded: list[float] = (hundredths(sizes, GIB) / 100).tolist()
    return rounded


def human_size(size: int) -> str:
    """A size in bytes with the largest unit that makes it at least 1, to two decimals."""
    if size < 1024:
        return f"{size} B"
    unit = min((size.bit_length() - 1) // 10, len(UNITS) - 1)
    found = exact_hundredths(size, 1 << 10 * unit)
    if found >= 102_400 and unit < len(UNITS) - 1:
        return f"1.0 {UNITS[unit + 1]}"
    return f"{decimal(found)} {UNITS[unit]}"


def aligned_size(size: int, signed: bool = False) -> str:
    """A size as by `human_size`, always as wide, so that points and units of a column align. signed: with its sign."""
    number, unit = human_size(abs(size)).split(" ")
    before, point, after = number.partition(".")
    sign = "-" if size < 0 else "+" if signed and size else ""
    return f"{sign + before:>{5 if signed else 4}}{point + after.ljust(2, '0') if point else '   '} {unit:<3}"


def human_sizes(sizes: Whole) -> list[str]:
    """What `human_size` says of each; most of them may well be 0."""
    if not are_exact(sizes):
        return [human_size(size) for size in sizes.tolist()]
    shown = np.full(len(sizes), human_size(0), object)
    places = np.flatnonzero(sizes)
    sizes = sizes[places]
    unit = (np.frexp(sizes.astype(np.float64))[1] - 1).astype(np.int64) // 10
    found = hundredths(sizes, np.left_shift(1, 10 * unit))
    above = (found >= 102_400) & (unit > 0)
    found[above] = 100
    before_point, after_point = np.divmod(found, 100)
    shown[places] = WHOLES[before_point] + FRACTIONS[unit + above, after_point]
    strings: list[str] = shown.tolist()
    return strings
