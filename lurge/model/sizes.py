"""Sizes as people see them, converted as whole arrays. All results are exact, like Python's own integers."""

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
"""The two parts of the text of `human_size`: before the point, and the rest by unit and hundredths (not for bytes)."""

EXACT_FLOAT = 2**53
"""Whole numbers below this bound are exact as floats. A hundred times the bound still fits into int64."""

Whole = npt.NDArray[Any]
"""An array of int64, or of Python integers (dtype object) if a number does not fit into int64."""


def whole(numbers: Sequence[int]) -> Whole:
    """Whole numbers as an array of int64, or of objects if a number does not fit."""
    return np.array(numbers, np.int64 if max(numbers, default=0) <= LARGEST else object)


def are_exact(sizes: Whole) -> bool:
    """True if all sizes can be rounded with `hundredths`."""
    return sizes.dtype != object and bool(sizes.min(initial=0) >= 0 and sizes.max(initial=0) < EXACT_FLOAT)


def hundredths(sizes: npt.NDArray[np.int64], unit: npt.NDArray[np.int64] | int) -> npt.NDArray[np.int64]:
    """sizes / unit (a power of two) in hundredths. Ties are rounded to even, as `round` does."""
    rounded, rest = np.divmod(sizes * 100, unit)
    rounded += (2 * rest > unit) | ((2 * rest == unit) & (rounded % 2 == 1))
    return rounded


def exact_hundredths(size: int, unit: int) -> int:
    """The result of `hundredths` for one size of any magnitude."""
    rounded, rest = divmod(size * 100, unit)
    return rounded + (2 * rest > unit or (2 * rest == unit and rounded % 2 == 1))


def decimal(number: int) -> str:
    """Hundredths as a decimal number, as Python writes floats: one decimal place, or two if the second is not 0."""
    before, after = divmod(number, 100)
    return f"{before}.{after:02d}".removesuffix("0")


def to_mib(size: int) -> str:
    """Bytes as MiB, rounded to two decimals. As text, because floats cannot hold all such numbers."""
    return decimal(exact_hundredths(size, MIB))


def to_gib(sizes: Whole) -> list[float]:
    """Bytes as GiB, rounded to two decimals."""
    if not are_exact(sizes):
        return [exact_hundredths(size, GIB) / 100 for size in sizes.tolist()]
    rounded: list[float] = (hundredths(sizes, GIB) / 100).tolist()
    return rounded


def human_size(size: int) -> str:
    """A size in bytes as text in the largest unit in which it is at least 1, rounded to two decimals."""
    if size < 1024:
        return f"{size} B"
    unit = min((size.bit_length() - 1) // 10, len(UNITS) - 1)
    rounded = exact_hundredths(size, 1 << 10 * unit)
    if rounded >= 102_400 and unit < len(UNITS) - 1:
        return f"1.0 {UNITS[unit + 1]}"
    return f"{decimal(rounded)} {UNITS[unit]}"


def aligned_size(size: int, signed: bool = False) -> str:
    """The text of `human_size`, padded so that points and units align in a column. signed: with a + for sizes > 0."""
    number, unit = human_size(abs(size)).split(" ")
    before, point, after = number.partition(".")
    sign = "-" if size < 0 else "+" if signed and size else ""
    return f"{sign + before:>{5 if signed else 4}}{point + after.ljust(2, '0') if point else '   '} {unit:<3}"


def human_sizes(sizes: Whole) -> list[str]:
    """The text of `human_size` for each size. Fast if most sizes are 0."""
    if not are_exact(sizes):
        return [human_size(size) for size in sizes.tolist()]
    shown = np.full(len(sizes), human_size(0), object)
    places = np.flatnonzero(sizes)
    sizes = sizes[places]
    unit = (np.frexp(sizes.astype(np.float64))[1] - 1).astype(np.int64) // 10
    rounded = hundredths(sizes, np.left_shift(1, 10 * unit))
    above = (rounded >= 102_400) & (unit > 0)
    rounded[above] = 100
    before_point, after_point = np.divmod(rounded, 100)
    shown[places] = WHOLES[before_point] + FRACTIONS[unit + above, after_point]
    strings: list[str] = shown.tolist()
    return strings
