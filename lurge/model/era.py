"""The eras of dumps: the encoding of paths and the number of columns (docs/formats.md)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

STANDARD_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
SORTED_ALPHABET = b"+/0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
VAULT_ALPHABET = STANDARD_ALPHABET[:63] + b"_"


class Encoding(IntEnum):
    """The encoding of paths. Kernels use its numbers."""

    STANDARD = 0
    SORTED = 1
    QUOTED = 2


@dataclass(frozen=True)
class Era:
    """The format of a dump's lines: the encoding of paths and the number of columns."""

    encoding: Encoding
    columns: int

    def __str__(self) -> str:
        names = {
            Encoding.STANDARD: "base64 paths",
            Encoding.SORTED: "base64 paths in the sorted alphabet",
            Encoding.QUOTED: "quoted paths",
        }
        return f"{names[self.encoding]}, {self.columns} columns"


QUOTED_11 = Era(Encoding.QUOTED, 11)
QUOTED_12 = Era(Encoding.QUOTED, 12)
STANDARD_11 = Era(Encoding.STANDARD, 11)
SORTED_11 = Era(Encoding.SORTED, 11)
