"""Keys of CSV, in which bytes are written as `%20`; a `+` is a plus."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_to_bytes

import pyarrow as pa
import pyarrow.compute as pc

from lurge.model.paths import shown

HEX = "[0-9A-Fa-f]"
UNUSUAL = f"%(?:[89A-Fa-f]{HEX}|25|[^0-9A-Fa-f]|{HEX}[^0-9A-Fa-f]|{HEX}?$)"
"""Of a key that is decoded alone: a byte that is not ASCII, an escaped `%`, or a `%` that begins no escape."""

MOST_CODES = 16
"""Escapes that are replaced in all keys at once. Keys with others are decoded alone."""


def decoded_keys(keys: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Decode keys; returns also those that are not UTF-8 once decoded, as they were, and NULL for all others."""
    none = pa.nulls(len(keys), pa.string())
    alone = pc.fill_null(pc.match_substring_regex(keys, UNUSUAL), False)
    decoded = keys if pc.any(alone).as_py() is False else pc.if_else(alone, pa.scalar(None, pa.string()), keys)
    for _ in range(MOST_CODES):
        place = pc.index(pc.fill_null(pc.match_substring(decoded, "%"), False), True).as_py()
        if place < 0:
            break
        key = decoded[place].as_py()
        at = key.index("%")
        code = key[at : at + 3]
        decoded = pc.replace_substring(decoded, code, chr(int(code[1:], 16)))
    else:
        # Every replacement made a key shorter, and none made a new escape: what is left is decoded alone.
        alone = pc.or_(alone, pc.fill_null(pc.match_substring(decoded, "%"), False))
    if not pc.any(alone).as_py():
        return decoded, none
    texts: list[str] = []
    originals: list[str | None] = []
    for key in keys.filter(alone).to_pylist():
        text, is_valid = decoded_key(key)
        texts.append(text)
        originals.append(None if is_valid else key)
    decoded = pc.replace_with_mask(decoded, alone, pa.array(texts, pa.string()))
    if not any(originals):
        return decoded, none
    return decoded, pc.replace_with_mask(none, alone, pa.array(originals, pa.string()))


def decoded_key(key: str) -> tuple[str, bool]:
    """A key, decoded; whether it is UTF-8. Other bytes are shown."""
    content: Any = unquote_to_bytes(key)
    try:
        return content.decode(), True
    except UnicodeDecodeError:
        return shown(content), False
