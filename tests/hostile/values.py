"""Hostile values: names, suffixes, keys of vaults, numbers, times and what is put into lines."""

from __future__ import annotations

from lurge.model.era import QUOTED_11, QUOTED_12, SORTED_11, STANDARD_11, Encoding

ENCODINGS = {Encoding.STANDARD: "standard", Encoding.SORTED: "sorted", Encoding.QUOTED: "quoted"}
ERAS = [(STANDARD_11, False), (SORTED_11, False), (QUOTED_11, False), (QUOTED_11, True), (QUOTED_12, True)]
"""The eras; true if directories end in a slash."""

GIDS = [10, 11, 12, 0, 77, 4294967295]
UIDS = [1, 2, 3, 0, 12345678, 123456789, 4294967295]
FEW_NAMES = [
    b"foo", b"foobar", b"users", b"projects", b"x", b"a.BAM", b"b.bam.GZ", b"q", b"r", b".vault", b"01", b"e2",
    "\u00e9".encode(), b"a_name_that_is_longer_than_a_vector", b"a_name_that_is_longer_than_a_vector.x",
    b"xLengthy.suffix",
]  # fmt: skip
"""So few that random paths of them share directories."""

WORDS = [
    b"foo", b"foobar", b"users", b"projects", b"run", b"runs", b"lane", b"a", b"aa", b"data", b"Data", b"sample",
    b"analysis", b"results-2024", b"work", b".snapshot", b".hgi.old.x", b"q", b"x.y",
]  # fmt: skip
ODD_NAMES = [
    b"tab\there", b"new\nline", b'"quoted"', b"back\\slash", b"\\x41", b"cr\r", b" ", b"a ", b"..", b"'", b"=", b"\x7f",
    b"\xff\xfe", b"caf\xc3\xa9", b"caf\xe9", b"\xc3", b"nul\0", b"\xe2\x80\xa8", b"\xf0\x9f\x98\x80", b"\xed\xa0\x80",
    b"\x1b[0m", b"\\xff", b"%s", b"",
]  # fmt: skip
SUFFIXES = [".bam", ".BAM", ".sam.gz", ".cram", ".fastq.gz", ".fq", ".vcf.gz", ".Bed", ".gz", ".txt", "", "", "M"]
FILETYPES = {
    "BAM": [".bam"],
    "GZ": [".gz", ".Sam.Gz"],
    "Long": [".a-Suffix_longer_than.a.WORD", "longer_than.a.word", ".eightby"],
    "One": ["m", "\u00e9", "y"],
    "Slash": ["/a", "a/b"],
    "Twice": [".cram", "ram", ".ninebytes"],
}
BAD_KEYS = [
    b"-", b"00-", b"0g-YQ==", b"07-YQ=", b"001-YQ==", b"07YQ==", b"07-YQ/=", b"07-!", b"x/y",
    b"112233445566778899-YQ==", b"07-YQ==YQ==", b"07-=", b"07-Y",
]  # fmt: skip
VAULT_KEYS = [b"07-YS93aHk_Pz8udHh0", b"40-cGF0aC90by9zb21lL2ZpbGU=", b"07-YQ=="]
BRANCHES = [b"keep", b"archive", b".staged", b".limbo", b".stash"]
WRONG_BRANCHES = [b".audit", b"Keep", b"keeps", b"", b"keep/", b"keep//"]

BAD_NUMBERS = [
    b"", b"-", b"+1", b" 1", b"1 ", b"1_0", b"1.0", b"0x1", b"-0", b"-1", b"--1", b"\xd9\xa1", b"9" * 19, b"9" * 20,
    b"0" * 30, b"0" * 30 + b"1", b"1" + b"0" * 30, b"/", b":", b"1:", b"1/", b"\0", b"12345678:",
    b"007", b"1" * 20,
    *(b"%d" % (sign * 2**bits + more) for bits in (31, 32, 63, 64) for sign in (1, -1) for more in (-1, 0, 1)),
]  # fmt: skip
INSERTED = [
    b"\t", b"\r", b"\\", b'"', b"\0", b"=", b" ", b"\\x0", b"\\u12", b"\\U00110000", b"\\ud800", b"\\q", b"\xff",
]  # fmt: skip
BAD_PATHS = [b"", b"/", b"Lw==", b'""', b'"/', b'"/"', b'"//"', b'"a/b"']
BLANKS = [b"", b"", b" ", b"\r", b"\t" * 10, b'"/']
TIMES = [0, -1, -5, 2**31, 2**40, 2**63 - 1, -(2**63), 9999999999999999, 10**16]
SIZES = [0, 1, 7, 1000, 4096, 2**40, 2**62, 2**63 - 1]
