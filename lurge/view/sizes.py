"""Sizes as people type them."""

from __future__ import annotations

import re

UNITS = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40, "p": 2**50, "e": 2**60}


def parse_size(text: str) -> int | None:
    """Bytes from `1.5 TiB`, `200g` or `4096`; None from an empty text. Raises ValueError."""
    if not text.strip():
        return None
    match = re.fullmatch(r"(\d{1,18}(?:\.\d{1,9})?)\s*([kmgtpe]?)(?:i?b)?", text.strip().lower())
    if not match:
        raise ValueError(f"{text!r} is not a size, such as 1.5 TiB")
    whole, _, decimals = match[1].partition(".")
    size: int = int(whole + decimals) * UNITS[match[2]] // 10 ** len(decimals)
    return size
