"""Random entries of the directories of a volume."""

from __future__ import annotations

import random
from dataclasses import replace

from tests.hostile.names import file_names, vault_path
from tests.hostile.values import GIDS, TIMES, UIDS
from tests.site import Entry


def path_of(entry: Entry) -> bytes:
    return entry.path if isinstance(entry.path, bytes) else entry.path.encode()


def attributes(rng: random.Random, entry: Entry, huge: bool) -> Entry:
    """An entry with a random size, time and number of links, most of them usual."""
    entry.size = rng.choice([0, 1, 4096, rng.getrandbits(16), rng.getrandbits(34), rng.getrandbits(rng.randint(1, 44))])
    if huge and rng.random() < 0.05:
        entry.size = rng.choice([2**63 - 1, 2**62, rng.getrandbits(63)])
    entry.mtime = rng.choice(TIMES) if rng.random() < 0.02 else entry.mtime - rng.getrandbits(rng.randint(1, 29))
    entry.inode = rng.getrandbits(rng.choice([10, 30, 57, 64]))
    if rng.random() < 0.12:
        entry.nlink = rng.choice([0, 0, 2, 2, 3, 7, 1000, 2**31, 2**64 - 1])
    return entry


def neighbour(rng: random.Random, entry: Entry) -> Entry:
    """An entry that is nearly equal to the one before it: values kept from that one must not be used for it."""
    path = path_of(entry)
    parent, _, last = path.rpartition(b"/")
    slash = parent.rfind(b"/")
    changed = parent[:-1] + rng.choice([b"a", b"/", b"."]) + b"/" + last
    return replace(
        entry,
        path=rng.choice([
            path + b"/" + last, path + b"/", path[:-1] + b"b", parent or b"/", changed, parent + b"//" + last,
            parent[: slash + 1] + last, path + b"x" * rng.choice([1, 63, 64, 65]), path,
        ]),
        gid=entry.gid if rng.random() < 0.6 else rng.choice(GIDS),
        uid=entry.uid if rng.random() < 0.6 else rng.choice(UIDS),
        type=rng.choice("fffdddl"),
        nlink=rng.choice([1, 1, 1, 2, 0]),
    )  # fmt: skip


def entries(rng: random.Random, directories: list[bytes], count: int, end: int) -> list[Entry]:
    """Files and directories, one directory after another."""
    records: list[Entry] = []
    few = rng.randint(1, 3)
    owners = {path: (rng.choice(GIDS[:few]), rng.choice(UIDS[: 2 * few])) for path in directories}
    huge, spread, mixed = rng.random() < 0.1, rng.uniform(0, 4), rng.choice([0.0, 0.02, 0.2])
    in_vault, unseen, turn = rng.choice(directories), rng.choice([0.0, 0.5]), 0
    while len(records) < count:
        # Mostly the next directory: siblings follow each other, some of them without a record of their own.
        turn = turn + 1 if rng.random() < 0.8 else rng.randrange(len(directories))
        directory = directories[turn % len(directories)]
        gid, uid = owners[directory]
        if rng.random() >= unseen:
            records.append(attributes(rng, Entry(directory, uid=uid, gid=gid, mtime=end, type="d"), huge=False))
        names = file_names(rng)
        for _ in range(int(rng.lognormvariate(spread, 1))):
            path = directory + b"/" + next(names)
            if directory == in_vault or rng.random() < 0.01:
                path = vault_path(rng, directory)
            kind = "f" if rng.random() < 0.93 else rng.choice("lsbcFXd")
            entry = attributes(rng, Entry(path, uid=uid, gid=gid, mtime=end, type=kind), huge)
            if rng.random() < mixed:
                entry.gid, entry.uid = rng.choice(GIDS), rng.choice(UIDS)
            records.append(entry)
            if rng.random() < mixed:
                records.append(neighbour(rng, entry))
            if len(records) > count:
                break
    return ordered(rng, records)


def ordered(rng: random.Random, records: list[Entry]) -> list[Entry]:
    """The records as they are, sorted by path, shuffled, or with some swapped."""
    draw = rng.random()
    if draw < 0.4:
        return sorted(records, key=path_of)
    if draw < 0.5:
        rng.shuffle(records)
    elif draw < 0.7:
        for _ in range(len(records) // 20):
            first, second = rng.randrange(len(records)), rng.randrange(len(records))
            records[first], records[second] = records[second], records[first]
    return records
