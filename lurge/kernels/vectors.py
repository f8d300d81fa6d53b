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
VECTOR = 64


def pointer_at(context: Any, builder: Any, array_type: Any, array: Any, at: Any, pointed: Any) -> Any:
    """A pointer to `pointed` at an item of a contiguous array of bytes."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [at]), ir.PointerType(pointed))


def load(context: Any, builder: Any, array_type: Any, array: Any, at: Any, kind: Any) -> Any:
    """Load a number or vector that may lie at any address."""
    loaded = builder.load(pointer_at(context, builder, array_type, array, at, kind))
    loaded.align = 1
    return loaded


def splat(builder: Any, item: Any, count: int) -> Any:
    """A vector of `count` times the same item."""
    nothing = ir.Constant(ir.VectorType(item.type, count), ir.Undefined)
    first = builder.insert_element(nothing, item, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), count), [0] * count)
    return builder.shuffle_vector(first, nothing, zeros)


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
def store64(typing: Any, array: Any, at: Any, word: Any) -> Any:
    """array[at:at + 8] = a little-endian uint64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = pointer_at(context, builder, signature.args[0], *arguments[:2], ir.IntType(64))
        builder.store(arguments[2], place, align=1)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.uint64), generate


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
        return builder.bitcast(same, ir.IntType(VECTOR))

    return types.uint64(array, types.int64, types.uint8), generate


@intrinsic
def differ_mask(typing: Any, left: Any, at: Any, right: Any, there: Any) -> Any:
    """Bit i of the uint64 is set if left[at + i] and right[there + i] differ, for i below VECTOR."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(BYTE, VECTOR)
        first = load(context, builder, signature.args[0], *arguments[:2], vector)
        second = load(context, builder, signature.args[2], *arguments[2:], vector)
        differ = builder.icmp_unsigned("!=", first, second)
        return builder.bitcast(differ, ir.IntType(VECTOR))

    return types.uint64(left, types.int64, right, types.int64), generate


def load_backwards(context: Any, builder: Any, array_type: Any, array: Any, end: Any) -> Any:
    """A vector whose item i is array[end - i]."""
    first = builder.sub(end, ir.Constant(ir.IntType(64), VECTOR - 1))
    loaded = load(context, builder, array_type, array, first, ir.VectorType(BYTE, VECTOR))
    order = ir.Constant(ir.VectorType(ir.IntType(32), VECTOR), list(reversed(range(VECTOR))))
    return builder.shuffle_vector(loaded, ir.Constant(ir.VectorType(BYTE, VECTOR), ir.Undefined), order)


@intrinsic
def digits_before(typing: Any, array: Any, end: Any) -> Any:
    """Bit i of the uint64 is set if array[end - i] is a decimal digit, for i below VECTOR."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        loaded = load_backwards(context, builder, signature.args[0], *arguments)
        value = builder.sub(loaded, splat(builder, ir.Constant(BYTE, ord("0")), VECTOR))
        digit = builder.icmp_unsigned("<=", value, splat(builder, ir.Constant(BYTE, 9), VECTOR))
        return builder.bitcast(digit, ir.IntType(VECTOR))

    return types.uint64(array, types.int64), generate


@intrinsic
def equal_before(typing: Any, array: Any, end: Any, byte: Any) -> Any:
    """Bit i of the uint64 is set if array[end - i] is `byte`, for i below VECTOR."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        loaded = load_backwards(context, builder, signature.args[0], *arguments[:2])
        same = builder.icmp_unsigned("==", loaded, splat(builder, arguments[2], VECTOR))
        return builder.bitcast(same, ir.IntType(VECTOR))

    return types.uint64(array, types.int64, types.uint8), generate


@intrinsic
def decode_vector(typing: Any, target: Any, to: Any, array: Any, at: Any, offsets: Any) -> Any:
    """Decode base64 in array[at:at + VECTOR] into target[to:to + VECTOR // 4 * 3].

    offsets: five uint8, the difference (modulo 256) between value and byte of capitals, small letters, digits, `+`, and
    `/`. Bit i of the uint64 is set if array[at + i] is none of these.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target, to, array, at, offsets = arguments
        text = load(context, builder, signature.args[2], array, at, ir.VectorType(BYTE, VECTOR))
        known, offset = None, splat(builder, ir.Constant(BYTE, 0), VECTOR)
        for number, (first, last) in enumerate((b"AZ", b"az", b"09", b"++", b"//")):
            from_first = builder.sub(text, splat(builder, ir.Constant(BYTE, first), VECTOR))
            last_place = splat(builder, ir.Constant(BYTE, last - first), VECTOR)
            in_range = builder.icmp_unsigned("<=", from_first, last_place)
            offset_here = splat(builder, builder.extract_value(offsets, number), VECTOR)
            offset = builder.select(in_range, offset_here, offset)
            known = builder.or_(known, in_range) if known else in_range
        words = ir.VectorType(ir.IntType(32), VECTOR // 4)

        def constant(number: int) -> Any:
            return ir.Constant(words, [number] * (VECTOR // 4))

        values = builder.bitcast(builder.add(text, offset), words)
        joined = constant(0)
        for place in range(4):
            value = builder.and_(builder.lshr(values, constant(8 * place)), constant(63))
            joined = builder.or_(joined, builder.shl(value, constant(6 * (3 - place))))
        # Of each word the third byte comes first, and the fourth is left out.
        order = [4 * word + place for word in range(VECTOR // 4) for place in (2, 1, 0)]
        as_bytes = builder.bitcast(joined, ir.VectorType(BYTE, VECTOR))
        indices = ir.Constant(ir.VectorType(ir.IntType(32), len(order)), order)
        decoded = builder.shuffle_vector(as_bytes, ir.Constant(ir.VectorType(BYTE, VECTOR), ir.Undefined), indices)
        builder.store(decoded, pointer_at(context, builder, signature.args[0], target, to, decoded.type), align=1)
        return builder.bitcast(builder.not_(known), ir.IntType(VECTOR))

    return types.uint64(target, types.int64, array, types.int64, types.UniTuple(types.uint8, 5)), generate
