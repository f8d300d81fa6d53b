"""Cutting into blocks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lurge.parallel.blocks import BUFFER_BYTES, Buffers, cut
from tests.streams import arriving


@given(
    text=st.text("ab\n", max_size=200).map(str.encode),
    size=st.integers(1, 50),
    lines=st.integers(1, 5),
    buffer=st.integers(1, 100),
    blocks=st.integers(1, 5),
)
def test_no_byte_and_no_line_is_lost(text: bytes, size: int, lines: int, buffer: int, blocks: int) -> None:
    read = arriving(text[i : i + size] for i in range(0, len(text), size))
    batches = [batch._replace(text=batch.text.copy()) for batch in cut(read, lines, Buffers(buffer), blocks)]
    assert b"".join(batch.text.tobytes() for batch in batches) == text
    whole = text.count(b"\n") + bool(text and not text.endswith(b"\n"))
    assert sum(batch.lines for batch in batches) == whole
    number = 1
    for i, batch in enumerate(batches):
        assert batch.first_line == number
        number += batch.lines
        assert 0 < batch.lines <= lines * blocks
        assert i == len(batches) - 1 or batch.lines % lines == 0 or batch.lines < lines
        assert len(batch.text) <= max(buffer, 2 * max(map(len, (text + b"\n").splitlines(keepends=True))) + buffer)


def test_a_block_ends_after_its_number_of_lines() -> None:
    text = b"".join(b"%d\n" % i for i in range(1, 262))
    assert [batch.lines for batch in cut(arriving([text]), 250, Buffers())] == [250, 11]
    assert [batch.lines for batch in cut(arriving([text]), 50, Buffers(500))] == [150, 100, 11]


def test_memory_is_bounded_by_bytes_not_by_lines() -> None:
    line = b"x" * 60_000 + b"\n"
    batches = list(cut(arriving([line] * 300), 100_000, Buffers()))
    assert sum(batch.lines for batch in batches) == 300
    assert max(len(batch.text) for batch in batches) <= BUFFER_BYTES


def test_an_endless_line_does_not_fill_memory() -> None:
    chunks = [b"first\n", *[b"x" * 100_000] * 50, b"end\nlast\n"]
    batches = list(cut(arriving(chunks), 250, Buffers()))
    assert sum(batch.lines for batch in batches) == 3
    assert b"".join(batch.text.tobytes() for batch in batches) == b"first\n" + b"x" * 65537 + b"\nlast\n"


def test_a_buffer_is_used_again_when_nothing_refers_to_its_text() -> None:
    buffers = Buffers(10)
    first = buffers.take(1)
    part = buffers.lend(first)[2:][3:5]
    assert buffers.take(1) is not first
    assert part.tolist() == [0, 0]
    del part
    assert buffers.take(1) is first
    assert len(buffers.take(11)) == 11
