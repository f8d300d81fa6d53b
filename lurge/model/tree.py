"""The tree index: what it counts of everything below a directory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lurge.model.rules import FileType

AGE_DAYS = (30, 60, 180, 365, 730, 1095, 1825, 2555)
"""Boundaries of the age bins, in days: the first bin is below 30, the last from 2555 on."""

SIZE_NAMES = ("0", "up to 4 KiB", "up to 64 KiB", "up to 1 MiB", "up to 64 MiB", "up to 1 GiB", "up to 16 GiB", "above")
"""The classes of files by size."""

SMALL_CLASSES = 3
"""The first classes of size, which are those of small files: at most 64 KiB."""

OTHER, DIRECTORY, LINK, SPECIAL, VAULT = "other", "directory", "link", "special", "vault"
ENDS = (OTHER, DIRECTORY, LINK, SPECIAL, VAULT)
"""The filetypes that are not told by suffixes. kernels.tree numbers them in this order, behind all others."""

GENERAL_FILETYPES = (
    FileType("compressed", (".gz", ".bz2", ".xz", ".zst", ".zip", ".tar", ".tgz", ".7z", ".bgz", ".lz4", ".rar")),
    FileType("log", (".log", ".out", ".err", ".stdout", ".stderr", ".o", ".e")),
    FileType("temporary", (".tmp", ".temp", ".swp", ".bak", "~", ".part")),
    FileType("text", (".txt", ".csv", ".tsv", ".md", ".json", ".yaml", ".yml", ".xml", ".html", ".tab", ".dat")),
    FileType("image", (".png", ".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".svg", ".bmp", ".pdf")),
    FileType("code", (".py", ".r", ".sh", ".pl", ".c", ".h", ".cpp", ".java", ".js", ".go", ".rs", ".ipynb",
                      ".nf", ".wdl")),
    FileType("database", (".db", ".sqlite", ".sqlite3", ".h5", ".hdf5", ".h5ad", ".rds", ".rdata",
                          ".parquet", ".npy", ".npz")),
    FileType("index", (".bai", ".csi", ".tbi", ".crai", ".fai", ".idx", ".dict")),
    FileType("sequence", (".fa", ".fasta", ".fna", ".2bit")),
)  # fmt: skip
"""Filetypes of files that none of the configured ones matches."""


@dataclass(frozen=True)
class Run:
    """Fragments of directories, sorted by component (kernels.tree).

    text: uint8. first, last: the translated paths of the first and the last one.
    """

    text: npt.NDArray[np.uint8]
    first: bytes
    last: bytes


@dataclass(frozen=True)
class TreeTotals:
    """The sums of a finished index: those of its top, its directories, the rows of each kind, its gids and uids."""

    records: int
    bytes: int
    directories: int
    rows: Mapping[str, int]
    gids: Sequence[int]
    uids: Sequence[int]
