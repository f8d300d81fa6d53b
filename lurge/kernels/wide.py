"""Looking at many bytes at once: by vector instructions if llvmlite can be given them, else by plain loops."""

from __future__ import annotations

import numpy as np
from llvmlite import ir

from lurge.fallbacks import fall_back

VECTOR = 64
"""Bytes in a vector, and bits in the masks that tell about each of them."""

FACTOR = np.uint64(0x9E3779B97F4A7C15)
"""A factor for hashes: 2**64 divided by the golden ratio."""

try:
    HAS_TYPED_POINTERS = ir.PointerType(ir.IntType(8)).pointee == ir.IntType(8)
except (AttributeError, TypeError):
    HAS_TYPED_POINTERS = False

if HAS_TYPED_POINTERS:
    from lurge.kernels.vectors import (
        bits_above,
        bits_set,
        copy_vector,
        decode_vector,
        differ_mask,
        digits_before,
        equal_before,
        equal_mask,
        first_bit,
        folded_product,
        load64,
        store64,
    )
else:
    fall_back("llvmlite's typed pointers", "lines are read byte by byte, which takes longer")
    from lurge.kernels.plain_vectors import (
        bits_above,
        bits_set,
        copy_vector,
        decode_vector,
        differ_mask,
        digits_before,
        equal_before,
        equal_mask,
        first_bit,
        folded_product,
        load64,
        store64,
    )

__all__ = [
    "FACTOR",
    "VECTOR",
    "bits_above",
    "bits_set",
    "copy_vector",
    "decode_vector",
    "differ_mask",
    "digits_before",
    "equal_before",
    "equal_mask",
    "first_bit",
    "folded_product",
    "load64",
    "store64",
]
