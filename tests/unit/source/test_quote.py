"""Writing %q and reading it again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lurge.aggregate.plain import decode_quoted
from lurge.source.quote import quote_inside
from tests.hostile import strategies

unpaired_surrogates = st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass"))


@given(path=strategies.paths() | st.binary(max_size=40) | unpaired_surrogates)
def test_a_quoted_path_can_be_read_back(path: bytes) -> None:
    quoted = b'"' + quote_inside(path) + b'"'
    assert decode_quoted(quoted) == path
    assert b"\t" not in quoted
    assert b"\n" not in quoted


@pytest.mark.parametrize(
    ("path", "quoted"),
    [
        (b"plain 'quoted'", b"plain 'quoted'"),
        (b'tab\t nl\n cr\r q" b\\', rb"tab\t nl\n cr\r q\" b\\"),
        (b"\a\b\f\v", rb"\a\b\f\v"),
        (b"\x00\x1f\x7f\xff", rb"\x00\x1f\x7f\xff"),
        ("é 日本 ©".encode(), "é 日本 ©".encode()),
        ("\u0085\u00a0\u2028\ufeff".encode(), rb"\u0085\u00a0\u2028\ufeff"),
        ("\U000e0001\U0010ffff".encode(), rb"\U000e0001\U0010ffff"),
        (b"\xed\xa0\x80", rb"\xed\xa0\x80"),
    ],
)
def test_paths_are_quoted_as_go_quotes_them(path: bytes, quoted: bytes) -> None:
    assert quote_inside(path) == quoted
