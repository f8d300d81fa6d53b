"""Looking at many bytes at once: what compiled code uses instead of loops over single bytes.

Each function is one or two LLVM instructions on vectors, which become SSE, AVX or NEON of the machine. None of them
checks bounds: all that it reads must be inside its array. They are written for llvmlite's typed pointers, which are to
go: without them the loops of `plain_vectors` take their place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

BYTE = ir.IntType(8)
VECTOR, DIGITS_SEEN = 32, 64


def pointer_at(context: Any, builder: Any, array_type: Any, array: Any, at: Any, pointed: Any) -> Any:
    """A pointer to `pointed` at an item of a contiguous array of bytes."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [at]), ir.PointerType(pointed))


def load(context: Any, builder: Any, array_type: Any, array: Any, at: Any, kind: Any) -> Any:
    """Load a number or vector that may lie at any address."""
    loaded = builder.load(pointer_at(context, builder, array_type, array, at, kind))
    loaded.align = 1
    return loaded


def splat(builder: Any, byte: Any, count: int) -> Any:
    """A vector of `count` times the same byte."""
    first = builder.insert_element(
        ir.Constant(ir.VectorType(BYTE, count), ir.Undefined), byte, ir.Constant(ir.IntType(32), 0)
    )
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), count), [0] * count)
    return builder.shuffle_vector(first, ir.Constant(ir.VectorType(BYTE, count), ir.Undefined), zeros)


def unary(method: str) -> Callable[..., Any]:
    """Code that counts zero bits of one uint64; 64 if it is 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return getattr(builder, method)(arguments[0], cgutils.false_bit)

    return generate


@intrinsic
def first_bit(typing: Any, word: Any) -> Any:
    """The number of the lowest set bit of a uint64; 64 if none is set."""
    return types.uint64(types.uint64), unary("cttz")


@intrinsic
def bits_above(typing: Any, word: Any) -> Any:
    """Number of zero bits above the highest set bit of a uint64."""
    return types.uint64(types.uint64), unary("ctlz")


@intrinsic
def bits_set(typing: Any, word: Any) -> Any:
    """Number of set bits of a uint64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@intrinsic
def folded_product(typing: Any, left: Any, right: Any) -> Any:
    """The product of two uint64, of 128 bits, its high half and its low half combined by exclusive or."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        whole = ir.IntType(128)
        product = builder.mul(*(builder.zext(argument, whole) for argument in arguments))
        high = builder.lshr(product, ir.Constant(whole, 64))
        return builder.trunc(builder.xor(product, high), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), generate


@intrinsic
def load64(typing: Any, array: Any, at: Any) -> Any:
    """array[at:at + 8] as a little-endian uint64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return load(context, builder, signature.args[0], *arguments, ir.IntType(64))

    return types.uint64(array, types.int64), generate


@intrinsic
def store32(typing: Any, array: Any, at: Any, word: Any) -> Any:
    """Put a little-endian uint32 into array[at:at + 4]."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = pointer_at(context, builder, signature.args[0], *arguments[:2], ir.IntType(32))
        builder.store(arguments[2], place, align=1)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.uint32), generate


@intrinsic
def copy_vector(typing: Any, target: Any, to: Any, source: Any, at: Any) -> Any:
    """target[to:to + VECTOR] = source[at:at + VECTOR]."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(BYTE, VECTOR)
        loaded = load(context, builder, signature.args[2], *arguments[2:], vector)
        place = pointer_at(context, builder, signature.args[0], *arguments[:2], vector)
        builder.store(loaded, place, align=1)
        return context.get_dummy_value()

    return types.void(target, types.int64, source, types.int64), generate


@intrinsic
def equal_mask(typing: Any, array: Any, at: Any, byte: Any) -> Any:
    """Bit i of the uint64 is set if array[at + i] is `byte`, for i below VECTOR."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        loaded = load(context, builder, signature.args[0], *arguments[:2], ir.VectorType(BYTE, VECTOR))
        same = builder.icmp_unsigned("==", loaded, splat(builder, arguments[2], VECTOR))
        return builder.zext(builder.bitcast(same, ir.IntType(VECTOR)), ir.IntType(64))

    return types.uint64(array, types.int64, types.uint8), generate


@intrinsic
def differ_mask(typing: Any, left: Any, at: Any, right: Any, there: Any) -> Any:
    """Bit i of the uint64 is set if left[at + i] and right[there + i] differ, for i below VECTOR."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(BYTE, VECTOR)
        first = load(context, builder, signature.args[0], *arguments[:2], vector)
        second = load(context, builder, signature.args[2], *arguments[2:], vector)
        differ = builder.icmp_unsigned("!=", first, second)
        return builder.zext(builder.bitcast(differ, ir.IntType(VECTOR)), ir.IntType(64))

    return types.uint64(left, types.int64, right, types.int64), generate


@intrinsic
def other_than_digits(typing: Any, array: Any, at: Any) -> Any:
    """Bit i of the uint64 is set if array[at + i] is not a decimal digit, for i below DIGITS_SEEN."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        loaded = load(context, builder, signature.args[0], *arguments, ir.VectorType(BYTE, DIGITS_SEEN))
        value = builder.sub(loaded, splat(builder, ir.Constant(BYTE, ord("0")), DIGITS_SEEN))
        other = builder.icmp_unsigned(">", value, splat(builder, ir.Constant(BYTE, 9), DIGITS_SEEN))
        return builder.bitcast(other, ir.IntType(DIGITS_SEEN))

    return types.uint64(array, types.int64), generate
