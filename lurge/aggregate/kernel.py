"""The pass from raw lines to tables. `plain` says the same in plain Python and must give the same report."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lurge.aggregate import usual
from lurge.aggregate.decode import TYPES, decode_path, read_unsigned
from lurge.aggregate.lookup import LookupArrays, find_boundaries, find_group, find_longest
from lurge.aggregate.table import LENGTH, TableArrays, add_entry, add_sum, find_or_add, room, same_bytes
from lurge.aggregate.vault import BAD_KEY, find_mark, read_vault_path
from lurge.aggregate.wide import load64
from lurge.compiled import ONE, ZERO, compiled, inlined, within
from lurge.model.report import LONGEST_LINE as LONGEST
from lurge.model.report import SAMPLE_BYTES, SAMPLES_KEPT

LONGEST_LINE = np.int64(LONGEST)
MOST_COLUMNS = 12
SCRATCH_BYTES = LONGEST + 64

LONG, COLUMNS, NUMBER, TYPE, PATH, KEY = (np.int64(reason) for reason in range(6))
"""Rows of `Tallies.reasons` and `Tallies.samples`: model.report.REASONS and VAULT_KEY."""

GOOD = np.int64(-1)
PATH_LENGTH, SIZE, UID, GID, ATIME, MTIME, CTIME, KIND, INODE, NLINK, DEVICE, APPARENT = range(MOST_COLUMNS)
"""What `read_fields` finds: the columns of a dump, the first as its length when decoded."""

LARGEST = np.array([0, *[2**63 - 1], *[2**32 - 1] * 2, *[2**63 - 1] * 3, 0, *[2**64 - 1] * 3, 2**63 - 1], np.uint64)
"""The largest number in each column; the least of a negative one is one more."""

DIRECTORY, FILE = ord("d"), ord("f")

PARENT_LENGTH, RECORD_GID, PLACE_GID, KNOWN, OWN_ENTRY, FILES_ENTRY, IN_VAULT, OWNER, OWNER_ENTRY = range(9)
"""What `find_place` finds; PARENT_LENGTH is -1 where it does not hold for the next record. Where FILES_ENTRY or OWNER
is NOT_YET, so is the entry of the directory report, or of the user report."""

WORD = 8

NOT_YET = np.int64(-1)

RECORDS, ATTRIBUTED, UNATTRIBUTED, VANISHED = range(4)


class Suffixes(NamedTuple):
    """The suffixes of all filetypes in lower case, sorted by last byte and filetype.

    text: uint8. at: int64[n, 3], start in text, length, filetype. tail: uint64[n, 2], the last bytes of each, up to
    WORD of them, in the highest of a word, and which of the word they are. first: int64[257], the first suffix that
    ends in each byte or a later one.
    """

    text: npt.NDArray[np.uint8]
    at: npt.NDArray[np.int64]
    tail: npt.NDArray[np.uint64]
    first: npt.NDArray[np.int64]


class Settings(NamedTuple):
    """What of the rules the kernel needs for every line.

    special: bool[longest + 1], the lengths of paths that may be a base directory's or a pseudo group's.
    deep: uint8 text, `.` and the names; deep_at: int64[n, 2], start and length of the names.
    """

    encoding: int
    columns: int
    dump_time: int
    bases: LookupArrays
    pseudo: LookupArrays
    special: npt.NDArray[np.bool_]
    suffixes: Suffixes
    deep: npt.NDArray[np.uint8]
    deep_at: npt.NDArray[np.int64]


class Tallies(NamedTuple):
    """Counters beside the tables.

    counts: int64[4]. bytes: uint64[2, 2], low and high word of the attributed and the unattributed bytes.
    reasons: int64[6]. samples: int64[6, SAMPLES_KEPT, 2], line number and length. sample_text: uint8[6, SAMPLES_KEPT,
    SAMPLE_BYTES]. place: int64[9], what is known of the directory of the last record, whose path is in `directory`.
    last: int64[3], what `read_usual` knows of the last line. path, joined, directory: uint8, tabs and ends: int64[16]
    and fields: uint64[12] are scratch.
    """

    counts: npt.NDArray[np.int64]
    bytes: npt.NDArray[np.uint64]
    reasons: npt.NDArray[np.int64]
    samples: npt.NDArray[np.int64]
    sample_text: npt.NDArray[np.uint8]
    path: npt.NDArray[np.uint8]
    joined: npt.NDArray[np.uint8]
    place: npt.NDArray[np.int64]
    directory: npt.NDArray[np.uint8]
    tabs: npt.NDArray[np.int64]
    fields: npt.NDArray[np.uint64]
    ends: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]


class VaultArrays(NamedTuple):
    """Vault rows in the order they were met.

    used: int64[2], rows and bytes of text. fields: int64[rows, 6], start, length, branch, uid, gid, mtime.
    size: uint64[rows].
    """

    used: npt.NDArray[np.int64]
    fields: npt.NDArray[np.int64]
    size: npt.NDArray[np.uint64]
    text: npt.NDArray[np.uint8]


class Reports(NamedTuple):
    """Everything that a pass fills."""

    groups: TableArrays
    directories: TableArrays
    users: TableArrays
    unattributed: TableArrays
    vault: VaultArrays
    tallies: Tallies


@within
def lines_with_room(reports):
    """How many lines surely find room in the reports."""
    vault = reports.vault
    lines = min(room(reports.groups, ZERO), room(reports.directories, LONGEST_LINE))
    lines = min(lines, min(room(reports.users, ZERO), room(reports.unattributed, ZERO)))
    vault_rows = len(vault.size) - vault.used[0]
    return min(lines, min(vault_rows, (len(vault.text) - vault.used[1]) // (2 * LONGEST_LINE)))


@within
def count_reason(tallies, reason, line_number, buffer, start, end):
    kept = tallies.reasons[reason]
    tallies.reasons[reason] += 1
    if kept < SAMPLES_KEPT:
        length = min(end - start, SAMPLE_BYTES)
        tallies.samples[reason, kept, 0] = line_number
        tallies.samples[reason, kept, 1] = length
        for i in range(length):
            tallies.sample_text[reason, kept, i] = buffer[start + i]


@within
def find_subdirectory(deep, deep_at, path, start, length):
    """(start, length) of the subdirectory of a file whose path below its base directory is path[start:length].

    (0, -1) where the file is directly in the base directory: `.`, the first byte of `deep`.
    """
    first = start
    while first < length and path[first] != 47:
        first += 1
    if first >= length:
        return 0, -1
    for i in range(len(deep_at)):
        at = deep_at[i, 0]
        size = deep_at[i, 1]
        if first - start != size:
            continue
        j = 0
        while j < size and path[start + j] == deep[at + j]:
            j += 1
        if j == size:
            second = first + 1
            while second < length and path[second] != 47:
                second += 1
            return start, (second if second < length else first) - start
    return start, first - start


@inlined
def lower(word):
    """A word of eight bytes with its ASCII letters in lower case."""
    rest = word & np.uint64(0x7F7F7F7F7F7F7F7F)
    beyond_z = rest + np.uint64(0x2525252525252525)
    from_a = rest + np.uint64(0x3F3F3F3F3F3F3F3F)
    return word | ((from_a & ~beyond_z & ~word & np.uint64(0x8080808080808080)) >> np.uint64(2))


@inlined
def add_filetypes(suffixes, directories, entry, path, parent, length, size):
    """Add a file to each filetype that has a suffix at the end of the base name path[parent + 1:length]."""
    last = path[length - 1]
    if 65 <= last <= 90:
        last += 32
    first, after = suffixes.first[last], suffixes.first[last + 1]
    if first == after:
        return
    tail = load64(path, length - WORD) if length >= WORD else load64(path, ZERO) << np.uint64(8 * (WORD - length))
    tail = lower(tail)
    counted = -1
    for i in range(first, after):
        if tail & suffixes.tail[i, 1] != suffixes.tail[i, 0]:
            continue
        start, width, filetype = suffixes.at[i, 0], suffixes.at[i, 1], suffixes.at[i, 2]
        matches = filetype != counted and width < length - parent
        for j in range(width - WORD):
            byte = path[length - width + j]
            if 65 <= byte <= 90:
                byte += 32
            matches &= byte == suffixes.text[start + j]
        if matches:
            add_sum(directories, entry, 1 + filetype, size, np.uint64(0))
            counted = filetype


@inlined
def is_special(settings, length):
    return length < len(settings.special) and settings.special[length]


@within
def find_place(settings, reports, path, length, parent, record_gid):
    """Fill `place` for a record: to whom and what it counts, as far as its directory path[:parent] decides that.

    That does not hold for the next record where the path could itself be a base directory or a pseudo group's.
    """
    tallies = reports.tallies
    place = tallies.place
    directory = tallies.directory
    special = is_special(settings, length)
    same = place[PARENT_LENGTH] == parent and place[RECORD_GID] == record_gid
    if same and not special and same_bytes(path, ZERO, directory, ZERO, parent):
        return
    gid = find_group(settings.pseudo, path, length, record_gid)
    known = find_longest(settings.bases, gid, path, find_boundaries(settings.bases, path, length))
    if known < 0:
        own = find_or_add(reports.unattributed, gid, ZERO, path, ZERO, ZERO)
    else:
        own = find_or_add(reports.groups, gid, settings.bases.value[known], path, ZERO, ZERO)
    place[PARENT_LENGTH] = NOT_YET if special else parent
    place[RECORD_GID] = record_gid
    place[PLACE_GID] = gid
    place[KNOWN] = known
    place[OWN_ENTRY] = own
    place[FILES_ENTRY] = NOT_YET
    place[OWNER] = NOT_YET
    place[IN_VAULT] = 1 if find_mark(path, parent + 1) >= 0 else 0
    for i in range(parent):
        directory[i] = path[i]


@within
def find_owner(users, place, uid):
    """Fill the entry of the user report for a user in a place."""
    place[OWNER] = uid
    place[OWNER_ENTRY] = find_or_add(users, uid, place[PLACE_GID], users.text, ZERO, ZERO)


@within
def find_files(settings, directories, place, path, length):
    """Fill the entry of the directory report for files in a place."""
    known = place[KNOWN]
    below = np.int64(settings.bases.table.rows[known, LENGTH]) + 1
    start, name_length = find_subdirectory(settings.deep, settings.deep_at, path, below, length)
    name = settings.deep if name_length < 0 else path
    base = settings.bases.value[known]
    place[FILES_ENTRY] = find_or_add(directories, place[PLACE_GID], base, name, start, abs(name_length))


@inlined
def add_bytes(tallies, row, size):
    total = tallies.bytes[row, 0] + size
    if total < size:
        tallies.bytes[row, 1] += np.uint64(1)
    tallies.bytes[row, 0] = total


@within
def add_vault_row(reports, path, length, uid, gid, size, mtime):
    """Add the file that a vault key stands for; returns whether the path is no undecodable key."""
    vault = reports.vault
    row, at = vault.used[0], vault.used[1]
    branch, found = read_vault_path(path, length, reports.tallies.joined, vault.text, at)
    if branch < 0:
        return branch != BAD_KEY
    vault.fields[row, 0] = at
    vault.fields[row, 1] = found
    vault.fields[row, 2] = branch
    vault.fields[row, 3] = uid
    vault.fields[row, 4] = gid
    vault.fields[row, 5] = mtime
    vault.size[row] = size
    vault.used[0] = row + 1
    vault.used[1] = at + found
    return True


@within
def split_line(buffer, start, tabs):
    """Find the TABs of the line that starts at `start`; returns (where it ends, its number of columns)."""
    rest = buffer[start:]
    columns = 1
    length = len(rest)
    for i in range(len(rest)):
        byte = rest[i]
        if byte <= 10:
            if byte == 10:
                length = i
                break
            if byte == 9:
                if columns <= MOST_COLUMNS:
                    tabs[columns - 1] = start + i
                columns += 1
    if columns <= MOST_COLUMNS:
        tabs[columns - 1] = start + length
    return start + length, columns


def line_scratch() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8], npt.NDArray[np.uint64]]:
    """What `split_line` and `read_fields` fill: tabs, path, fields."""
    return np.zeros(16, np.int64), np.zeros(SCRATCH_BYTES, np.uint8), np.zeros(MOST_COLUMNS, np.uint64)


@within
def read_fields(encoding, columns_wanted, columns, buffer, start, end, tabs, path, fields):
    """Check and decode buffer[start:end], one line without its newline that `split_line` has split.

    Fills path and fields: uint64[MOST_COLUMNS], times reinterpreted. Returns GOOD, or
    the reason why the line is no record.
    """
    if end - start > LONGEST_LINE:
        return LONG
    if columns != columns_wanted:
        return COLUMNS
    for column in range(1, columns):
        if column == KIND:
            continue
        first, after = tabs[column - 1] + 1, tabs[column]
        negative = ATIME <= column <= CTIME and first < after and buffer[first] == 45
        value, good = read_unsigned(buffer, first + 1 if negative else first, after)
        if not good or value > LARGEST[column] + np.uint64(negative):
            return NUMBER
        fields[column] = np.uint64(0) - value if negative else value
    kind = buffer[tabs[KIND - 1] + 1]
    if tabs[KIND] - tabs[KIND - 1] != 2 or not TYPES[kind]:
        return TYPE
    length = decode_path(encoding, buffer, start, tabs[0], path)
    if length < 0:
        return PATH
    if kind == DIRECTORY and length > 1 and path[length - 1] == 47:
        length -= 1
    fields[KIND] = kind
    fields[PATH_LENGTH] = np.uint64(length)
    return GOOD


@within
def read_unusual(encoding, columns_wanted, tallies, buffer, start, line_number):
    """Read a line of any kind into path and fields; returns (whether it is a record, where it ends)."""
    end, columns = split_line(buffer, start, tallies.tabs)
    path, fields = tallies.path, tallies.fields
    reason = read_fields(encoding, columns_wanted, columns, buffer, start, end, tallies.tabs, path, fields)
    if reason != GOOD:
        count_reason(tallies, reason, line_number, buffer, start, end)
    return reason == GOOD, end


@compiled
def read_lines(settings, reports, buffer, start, line_number):
    """Read the lines of buffer[start:] until one may find no room.

    Returns (where the first unread line starts, its number); the last line may lack its newline.
    """
    tallies = reports.tallies
    path, last, ends, place = tallies.path, tallies.last, tallies.ends, tallies.place
    last[usual.TEXT_START] = usual.NOTHING
    fields, lines = tallies.fields, ZERO
    while start < len(buffer):
        if lines == 0:
            lines = lines_with_room(reports)
            if lines == 0:
                break
        lines -= 1
        length = usual.read_usual(settings.encoding, settings.columns, buffer, start, last, ends, path)
        good = True
        if length != usual.UNUSUAL:
            end = ends[settings.columns]
            kind = np.uint64(buffer[ends[usual.TYPE]])
            whole = usual.read_number(buffer, ends, usual.SIZE)
            uid = np.int64(usual.read_small(buffer, ends, usual.UID))
            record_gid = np.int64(usual.read_small(buffer, ends, usual.GID))
            mtime = np.int64(usual.read_number(buffer, ends, usual.MTIME))
            nlink = usual.read_small(buffer, ends, usual.NLINK)
            shared = last[usual.BYTES_SHARED]
        else:
            good, end = read_unusual(settings.encoding, settings.columns, tallies, buffer, start, line_number)
            length = np.int64(fields[PATH_LENGTH])
            kind, whole, nlink = fields[KIND], fields[SIZE], fields[NLINK]
            uid, record_gid, mtime = np.int64(fields[UID]), np.int64(fields[GID]), np.int64(fields[MTIME])
            shared = ZERO
        begin, start, line_number = start, end + 1, line_number + 1
        if not good:
            continue
        tallies.counts[RECORDS] += 1
        if nlink == 0:
            tallies.counts[VANISHED] += 1
            last[usual.TEXT_START] = usual.NOTHING
            continue
        is_file = kind == FILE
        size = whole if kind == DIRECTORY or nlink == 1 else whole // nlink
        mtime = min(mtime, settings.dump_time)
        parent = usual.last_slash(path, length)
        stays = shared > parent and place[PARENT_LENGTH] == parent and place[RECORD_GID] == record_gid
        if not stays or is_special(settings, length):
            find_place(settings, reports, path, length, parent, record_gid)
        if place[OWNER] != uid:
            find_owner(reports.users, place, uid)
        add_entry(reports.users, place[OWNER_ENTRY], size, mtime, ONE if is_file else ZERO)
        if place[KNOWN] < 0:
            tallies.counts[UNATTRIBUTED] += 1
            add_bytes(tallies, ONE, size)
            add_entry(reports.unattributed, place[OWN_ENTRY], size, mtime, ONE)
        else:
            tallies.counts[ATTRIBUTED] += 1
            add_bytes(tallies, ZERO, size)
            add_entry(reports.groups, place[OWN_ENTRY], size, mtime, ONE)
            if is_file:
                if place[FILES_ENTRY] < 0:
                    find_files(settings, reports.directories, place, path, length)
                add_entry(reports.directories, place[FILES_ENTRY], size, mtime, ONE)
                add_filetypes(settings.suffixes, reports.directories, place[FILES_ENTRY], path, parent, length, size)
        if (
            is_file
            and place[IN_VAULT]
            and not add_vault_row(reports, path, length, uid, place[PLACE_GID], whole, mtime)
        ):
            count_reason(tallies, KEY, line_number - 1, buffer, begin, end)
    return start, line_number
