"""The functions of `vectors` as plain loops."""

from __future__ import annotations

import numpy as np

from lurge.kernels.compiling import internal_kernel

VECTOR = 64
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
def store64(array, at, word):
    """array[at:at + 8] = a little-endian uint64."""
    for i in range(8):
        array[at + i] = np.uint8(word >> np.uint64(8 * i) & np.uint64(255))


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
def digits_before(array, end):
    """Bit i of the uint64 is set if array[end - i] is a decimal digit, for i below VECTOR."""
    mask = np.uint64(0)
    for i in range(VECTOR):
        mask |= np.uint64(48 <= array[end - i] <= 57) << np.uint64(i)
    return mask


@internal_kernel
def equal_before(array, end, byte):
    """Bit i of the uint64 is set if array[end - i] is `byte`, for i below VECTOR."""
    mask = np.uint64(0)
    for i in range(VECTOR):
        mask |= np.uint64(array[end - i] == byte) << np.uint64(i)
    return mask


@internal_kernel
def decode_vector(target, to, array, at, offsets):
    """Decode base64 in array[at:at + VECTOR] into target[to:to + VECTOR // 4 * 3].

    offsets: five uint8, the difference (modulo 256) between value and byte of capitals, small letters, digits, `+`, and
    `/`. Bit i of the uint64 is set if array[at + i] is none of these.
    """
    unknown = np.uint64(0)
    joined = np.uint32(0)
    for i in range(VECTOR):
        byte = array[at + i]
        value = np.uint8(0)
        if 65 <= byte <= 90:
            value = np.uint8(byte + offsets[0])
        elif 97 <= byte <= 122:
            value = np.uint8(byte + offsets[1])
        elif 48 <= byte <= 57:
            value = np.uint8(byte + offsets[2])
        elif byte == 43:
            value = np.uint8(byte + offsets[3])
        elif byte == 47:
            value = np.uint8(byte + offsets[4])
        else:
            unknown |= np.uint64(1) << np.uint64(i)
        joined = joined << np.uint32(6) | np.uint32(value)
        if i % 4 == 3:
            first = to + i // 4 * 3
            target[first] = np.uint8(joined >> np.uint32(16) & np.uint32(255))
            target[first + 1] = np.uint8(joined >> np.uint32(8) & np.uint32(255))
            target[first + 2] = np.uint8(joined & np.uint32(255))
            joined = np.uint32(0)
    return unknown
