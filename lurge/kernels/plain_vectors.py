"""The functions of `vectors` as plain loops."""

from __future__ import annotations

import numpy as np

from lurge.kernels.compiling import internal_kernel

VECTOR, DIGITS_SEEN = 32, 64
LOW = np.uint64(0xFFFFFFFF)


@internal_kernel
def first_bit(word):
    """The number of the lowest set bit of a uint64; 64 if none is set."""
    for i in range(64):
        if word >> np.uint64(i) & np.uint64(1):
            return np.uint64(i)
    return np.uint64(64)


@internal_kernel
def bits_above(word):
    """Number of zero bits above the highest set bit of a uint64."""
    for i in range(64):
        if word >> np.uint64(63 - i) & np.uint64(1):
            return np.uint64(i)
    return np.uint64(64)


@internal_kernel
def bits_set(word):
    """Number of set bits of a uint64."""
    count = np.uint64(0)
    for i in range(64):
        count += word >> np.uint64(i) & np.uint64(1)
    return count


@internal_kernel
def folded_product(left, right):
    """The product of two uint64, of 128 bits, its high half and its low half combined by exclusive or."""
    shift = np.uint64(32)
    low = (left & LOW) * (right & LOW)
    first = (left >> shift) * (right & LOW) + (low >> shift)
    second = (left & LOW) * (right >> shift) + (first & LOW)
    high = (left >> shift) * (right >> shift) + (first >> shift) + (second >> shift)
    return high ^ left * right


@internal_kernel
def load64(array, at):
    """array[at:at + 8] as a little-endian uint64."""
    word = np.uint64(0)
    for i in range(8):
        word |= np.uint64(array[at + i]) << np.uint64(8 * i)
    return word


@internal_kernel
def store32(array, at, word):
    """Put a little-endian uint32 into array[at:at + 4]."""
    for i in range(4):
        array[at + i] = np.uint8(word >> np.uint32(8 * i) & np.uint32(255))


@internal_kernel
def copy_vector(target, to, source, at):
    """target[to:to + VECTOR] = source[at:at + VECTOR]."""
    for i in range(VECTOR):
        target[to + i] = source[at + i]


@internal_kernel
def equal_mask(array, at, byte):
    """Bit i of the uint64 is set if array[at + i] is `byte`, for i below VECTOR."""
    mask = np.uint64(0)
    for i in range(VECTOR):
        mask |= np.uint64(array[at + i] == byte) << np.uint64(i)
    return mask


@internal_kernel
def differ_mask(left, at, right, there):
    """Bit i of the uint64 is set if left[at + i] and right[there + i] differ, for i below VECTOR."""
    mask = np.uint64(0)
    for i in range(VECTOR):
        mask |= np.uint64(left[at + i] != right[there + i]) << np.uint64(i)
    return mask


@internal_kernel
def other_than_digits(array, at):
    """Bit i of the uint64 is set if array[at + i] is not a decimal digit, for i below DIGITS_SEEN."""
    mask = np.uint64(0)
    for i in range(DIGITS_SEEN):
        byte = array[at + i]
        mask |= np.uint64(byte < 48 or byte > 57) << np.uint64(i)
    return mask
