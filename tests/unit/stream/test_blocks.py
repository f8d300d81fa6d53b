"""Cutting into blocks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lurge.stream.blocks import cut


@given(
    text=st.text("ab\n", max_size=200).map(str.encode),
    size=st.integers(1, 50),
    lines=st.integers(1, 5),
    blocks=st.integers(1, 3),
)
def test_no_byte_and_no_line_is_lost(text: bytes, size: int, lines: int, blocks: int) -> None:
    batches = list(cut([text[i : i + size] for i in range(0, len(text), size)], lines, blocks))
    assert b"".join(batch.text.tobytes() for batch in batches) == text
    whole = text.count(b"\n") + bool(text and not text.endswith(b"\n"))
    assert sum(batch.lines for batch in batches) == whole
    number = 1
    for i, batch in enumerate(batches):
        assert batch.first_line == number
        number += batch.lines
        assert 0 < batch.lines <= lines * blocks
        assert i == len(batches) - 1 or batch.lines % lines == 0


def test_blocks_of_250() -> None:
    text = b"".join(b"%d\n" % i for i in range(1, 262))
    assert [batch.lines for batch in cut([text], 250, blocks=1)] == [250, 11]
    assert [batch.lines for batch in cut([text], 250)] == [250, 11]


def test_an_endless_line_does_not_fill_memory() -> None:
    chunks = [b"first\n", *[b"x" * 100_000] * 50, b"end\nlast\n"]
    (batch,) = cut(chunks, 250)
    assert batch.lines == 3
    assert batch.text.tobytes() == b"first\n" + b"x" * 65537 + b"\nlast\n"
