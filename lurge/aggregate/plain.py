"""The kernel's twin in plain Python: the meaning of a dump in the fewest words.

It is what the kernel is tested against, and what a newcomer should read first.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lurge.model.directories import Directories, DirectoryUsage
from lurge.model.era import SORTED_ALPHABET, STANDARD_ALPHABET, VAULT_ALPHABET, Encoding
from lurge.model.paths import shown
from lurge.model.report import (
    LONGEST_LINE,
    REASONS,
    SAMPLE_BYTES,
    SAMPLES_KEPT,
    VAULT_KEY,
    VAULT_STATES,
    Counts,
    GroupUsage,
    Sample,
    Unattributed,
    UserUsage,
    VaultFile,
    VolumeReport,
)
from lurge.model.rules import Rules

BRANCHES = dict(zip((b"keep", b"archive", b".staged", b".limbo", b".stash"), VAULT_STATES, strict=True))

TO_STANDARD = {
    Encoding.STANDARD: bytes.maketrans(b"", b""),
    Encoding.SORTED: bytes.maketrans(SORTED_ALPHABET, STANDARD_ALPHABET),
}
FROM_VAULT = bytes.maketrans(VAULT_ALPHABET + b"/", STANDARD_ALPHABET + b"*")
ESCAPES = {
    b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v", b"\\": b"\\", b'"': b'"',
}  # fmt: skip
ESCAPE = re.compile(rb'\\([abfnrtv\\"])|\\x([0-9a-fA-F]{2})|\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})|([\\"])', re.DOTALL)
QUOTED = re.compile(rb'"(.*)"', re.DOTALL)


class Rejected(Exception):  # noqa: N818 - it is an outcome, not a failure
    """A line that is not a record; the reason is one of model.report.REASONS."""


@dataclass(frozen=True)
class Record:
    """One entry of a file system. Column meanings: docs/formats.md."""

    path: bytes
    size: int
    uid: int
    gid: int
    atime: int
    mtime: int
    type: str
    nlink: int

    @property
    def attributed_size(self) -> int:
        return self.size if self.type == "d" else self.size // self.nlink


def decode_base64(text: bytes) -> bytes:
    """Padded standard base64. Raises ValueError (binascii.Error) if it is malformed."""
    if len(text) % 4 or not re.fullmatch(rb"[A-Za-z0-9+/]*={0,2}", text):
        raise binascii.Error("malformed base64")
    return base64.b64decode(text)


def decode_quoted(text: bytes) -> bytes:
    """A string in the form of Go's %q. Raises ValueError if it is malformed."""
    quoted = QUOTED.fullmatch(text)
    if not quoted:
        raise ValueError("no quotes")

    def replace(found: re.Match[bytes]) -> bytes:
        simple, byte, *runes, stray = found.groups()
        if stray:
            raise ValueError("stray backslash or quote")
        if simple:
            return ESCAPES[simple]
        if byte:
            return bytes([int(byte, 16)])
        return chr(int(runes[0] or runes[1], 16)).encode()

    try:
        return ESCAPE.sub(replace, quoted[1])
    except OverflowError as error:
        raise ValueError("no code point") from error


def decode_path(text: bytes, encoding: Encoding) -> bytes:
    """An absolute path. Raises Rejected."""
    try:
        if encoding is Encoding.QUOTED:
            path = decode_quoted(text)
        else:
            path = decode_base64(text.translate(TO_STANDARD[encoding]))
    except ValueError as error:
        raise Rejected("path") from error
    if not path.startswith(b"/"):
        raise Rejected("path")
    return path


def read_number(text: bytes, lowest: int, highest: int) -> int:
    """A decimal number between two bounds. Raises Rejected."""
    pattern = rb"-?[0-9]+" if lowest < 0 else rb"[0-9]+"
    if not re.fullmatch(pattern, text):
        raise Rejected("number")
    digits = text.lstrip(b"-").lstrip(b"0")
    number = int(digits or b"0") * (-1 if text.startswith(b"-") else 1) if len(digits) < 25 else highest + 1
    if not lowest <= number <= highest:
        raise Rejected("number")
    return number


def read_record(line: bytes, rules: Rules) -> Record:
    """The record of one line without its newline. Raises Rejected."""
    if len(line) > LONGEST_LINE:
        raise Rejected("long")
    fields = line.split(b"\t")
    if len(fields) != rules.era.columns:
        raise Rejected("columns")
    size = read_number(fields[1], 0, 2**63 - 1)
    uid = read_number(fields[2], 0, 2**32 - 1)
    gid = read_number(fields[3], 0, 2**32 - 1)
    atime, mtime, _ = (read_number(text, -(2**63), 2**63 - 1) for text in fields[4:7])
    _, nlink, _ = (read_number(text, 0, 2**64 - 1) for text in fields[8:11])
    for apparent in fields[11:]:
        read_number(apparent, 0, 2**63 - 1)
    if fields[7] not in [bytes([kind]) for kind in b"fdlsbcFX"]:
        raise Rejected("type")
    path = decode_path(fields[0], rules.era.encoding)
    kind = fields[7].decode()
    if kind == "d" and len(path) > 1 and path.endswith(b"/"):
        path = path[:-1]
    return Record(path, size, uid, gid, min(atime, rules.dump_time), min(mtime, rules.dump_time), kind, nlink)


def holders(path: bytes) -> Iterable[bytes]:
    """`path` and every directory above it, longest first; the root is empty."""
    yield path
    while path:
        path = path[: path.rindex(b"/")]
        yield path


def group_of(record: Record, pseudo: Mapping[bytes, int]) -> int:
    """The gid for which a record counts: the nearest pseudo group's, else its own."""
    return next((pseudo[above] for above in holders(record.path) if above in pseudo), record.gid)


def subdirectory(below: bytes, deep: Iterable[str]) -> bytes:
    """The subdirectory of a file from its path below the base directory."""
    first, *rest = below.split(b"/")
    if not rest:
        return b"."
    if first.decode(errors="surrogateescape") in deep and len(rest) > 1:
        return first + b"/" + rest[0]
    return first


def vault_file(path: bytes) -> tuple[str, bytes] | None:
    """(state, path) of the marked file of a path in a vault; None if the path is not a key.

    Raises ValueError for a key that does not decode.
    """
    root, mark, rest = path.rpartition(b"/.vault/")
    branch, _, key = rest.partition(b"/")
    if not mark or branch not in BRANCHES or not key:
        return None
    inode, dash, name = key.replace(b"/", b"").partition(b"-")
    if not dash or not re.fullmatch(rb"([0-9a-fA-F]{2}){1,8}", inode):
        raise ValueError("no inode")
    relative = decode_base64(name.translate(FROM_VAULT))
    if not relative:
        raise ValueError("no name")
    return BRANCHES[branch], root + b"/" + relative


@dataclass
class Usage:
    """The sums of one key."""

    size: int = 0
    newest: int = -(2**63)
    count: int = 0
    filetypes: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, size: int, mtime: int, count: int = 1) -> None:
        self.size += size
        self.newest = max(self.newest, mtime)
        self.count += count


class PlainAggregator:
    """The reports of one volume, line by line."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._names, self._bases = rules.bases()
        self._pseudo: Mapping[bytes, int] = rules.pseudo_gids()
        self._groups: defaultdict[tuple[int, int], Usage] = defaultdict(Usage)
        self._directories: defaultdict[tuple[int, int, bytes], Usage] = defaultdict(Usage)
        self._users: defaultdict[tuple[int, int], Usage] = defaultdict(Usage)
        self._unattributed: defaultdict[int, Usage] = defaultdict(Usage)
        self._attributed = Usage()
        self._vault: list[VaultFile] = []
        self._samples: defaultdict[str, list[Sample]] = defaultdict(list)
        self._reasons: defaultdict[str, int] = defaultdict(int)
        self._records = self._vanished = 0

    def add(self, line: bytes, number: int) -> None:
        """One line without its newline, and its number from 1."""
        try:
            record = read_record(line, self._rules)
        except Rejected as rejected:
            self._count(str(rejected), line, number)
            return
        self._records += 1
        if record.nlink == 0:
            self._vanished += 1
            return
        gid = group_of(record, self._pseudo)
        size = record.attributed_size
        self._users[record.uid, gid].add(size, record.mtime, 1 if record.type == "f" else 0)
        known = next((above for above in holders(record.path) if (gid, above) in self._bases), None)
        if known is None:
            self._unattributed[gid].add(size, record.mtime)
        else:
            self._attributed.add(size, record.mtime)
            base = self._bases[gid, known]
            self._groups[gid, base].add(size, record.mtime)
            if record.type == "f":
                self._add_file(record, gid, base, record.path[len(known) + 1 :])
        if record.type == "f":
            self._add_vault(record, gid, line, number)

    def _add_file(self, record: Record, gid: int, base: int, below: bytes) -> None:
        usage = self._directories[gid, base, subdirectory(below, self._rules.deep_directories)]
        usage.add(record.attributed_size, record.mtime)
        name = record.path.rpartition(b"/")[2].lower()
        for number, filetype in enumerate(self._rules.filetypes):
            if any(name.endswith(suffix.encode().lower()) for suffix in filetype.suffixes):
                usage.filetypes[number] += record.attributed_size

    def _add_vault(self, record: Record, gid: int, line: bytes, number: int) -> None:
        try:
            marked = vault_file(record.path)
        except ValueError:
            self._count(VAULT_KEY, line, number)
            return
        if marked:
            state, path = marked
            text = shown(self._rules.aliases.apply(path))
            self._vault.append(VaultFile(text, state, record.uid, gid, record.size, record.mtime))

    def _count(self, reason: str, line: bytes, number: int) -> None:
        self._reasons[reason] += 1
        if len(self._samples[reason]) < SAMPLES_KEPT:
            self._samples[reason].append(Sample(reason, number, shown(line[:SAMPLE_BYTES])))

    def report(self, lines: int) -> VolumeReport:
        """The rows. lines: how many lines the dump has."""
        unattributed = sum(usage.size for usage in self._unattributed.values())
        return VolumeReport(
            counts=Counts(
                lines=lines,
                records=self._records,
                attributed=self._attributed.count,
                unattributed=sum(usage.count for usage in self._unattributed.values()),
                vanished=self._vanished,
                attributed_bytes=self._attributed.size,
                unattributed_bytes=unattributed,
                rejected_by_reason={reason: self._reasons[reason] for reason in REASONS},
                bad_vault_keys=self._reasons[VAULT_KEY],
            ),
            groups=sorted(
                GroupUsage(gid, self._names[base], use.size, use.newest, use.count)
                for (gid, base), use in self._groups.items()
            ),
            directories=Directories.of(
                DirectoryUsage(
                    gid,
                    self._names[base],
                    shown(name),
                    use.size,
                    use.newest,
                    use.count,
                    tuple(use.filetypes[number] for number in range(len(self._rules.filetypes))),
                )
                for (gid, base, name), use in self._directories.items()
            ),
            users=sorted(
                UserUsage(uid, gid, use.size, use.newest, use.count) for (uid, gid), use in self._users.items()
            ),
            unattributed=sorted(Unattributed(gid, use.size, use.count) for gid, use in self._unattributed.items()),
            vault=sorted(self._vault),
            samples=[sample for reason in (*REASONS, VAULT_KEY) for sample in self._samples[reason]],
        )


def plain_split(rules: Rules, lines: Iterable[bytes]) -> dict[int, tuple[list[bytes], int]]:
    """By gid: the lines of its records as TreeServe reads them, and how many are directories."""
    pseudo = rules.pseudo_gids()
    found: dict[int, tuple[list[bytes], int]] = {}
    for line in lines:
        try:
            record = read_record(line, rules)
        except Rejected:
            continue
        gid = group_of(record, pseudo)
        own, directories = found.get(gid, ([], 0))
        own.append(b"\t".join([base64.b64encode(record.path), *line.split(b"\t")[1:11]]) + b"\n")
        found[gid] = (own, directories + (record.type == "d"))
    return found
