"""Random names and paths: many are similar to the one before, some are rare at a real site."""

from __future__ import annotations

import random
from collections.abc import Iterator

from lurge.source.synth.world import vault_key
from tests.hostile.values import BAD_KEYS, BRANCHES, FILETYPES, ODD_NAMES, SUFFIXES, WORDS, WRONG_BRANCHES


def component(rng: random.Random, before: bytes = b"x") -> bytes:
    """One component of a path, often similar to the one before."""
    draw = rng.random()
    if draw < 0.35:
        return rng.choice(WORDS)
    if draw < 0.65:
        return rng.choice(WORDS) + b"_%03d" % rng.randrange(1000)
    if draw < 0.75:
        return before[:200] + rng.choice([b"a", b"0", b".", b"bar"])
    if draw < 0.85:
        return before[:-1] + rng.choice([b"a", b"b", b"c"])
    if draw < 0.9:
        return rng.choice(ODD_NAMES)
    return bytes(rng.choices(b"abcdefghijklmnop_-.0123456789", k=rng.randint(1, rng.choice([8, 40, 250]))))


def base_name(path: bytes) -> bytes:
    return path.rpartition(b"/")[2]


def directory_tree(rng: random.Random, mount: bytes, count: int) -> list[bytes]:
    """The directories of a volume below one or two tops, which a path alias may merge."""
    below = b""
    length = rng.randint(0, 180)
    while len(below) < length:
        below += b"/" + (component(rng) or b"x")[:length]
    tops = [mount + b"/mdt%d" % number + below for number in range(rng.randint(1, 2))]
    directories = [mount, *tops]
    while len(directories) < count:
        above = rng.choice(directories[-6:]) if rng.random() < 0.7 else rng.choice(directories)
        if len(above) > 1500:
            above = tops[0]
        directories.append(above + b"/" + component(rng, base_name(rng.choice(directories[-3:]))))
        if rng.random() < 0.3:
            directories += siblings(rng, directories[-1])
    return directories


def siblings(rng: random.Random, directory: bytes) -> list[bytes]:
    """Directories whose names differ in one byte from the name of a given one."""
    place = rng.randint(directory.rfind(b"/") + 1, len(directory))
    bytes_there = rng.sample(b"0123abc.", rng.randint(1, 4))
    return [directory[:place] + bytes([byte]) + directory[place + 1 :] for byte in bytes_there]


def file_names(rng: random.Random) -> Iterator[bytes]:
    """The files of one directory, numbered, or each similar to the one before."""
    stem, suffixes = component(rng), rng.sample(SUFFIXES, 3)
    number, before = rng.randrange(10 ** rng.randint(1, 8)), b"x"
    while True:
        number += 1
        before = b"%b_%d" % (stem, number) if rng.random() < 0.85 else component(rng, before)
        suffix = rng.choice(suffixes).encode()
        if rng.random() < 0.1:
            suffix = rng.choice(rng.choice(list(FILETYPES.values()))).encode()
        if rng.random() < 0.2:
            suffix = suffix.swapcase()
        yield before + suffix


def vault_path(rng: random.Random, root: bytes) -> bytes:
    """A path in a vault: mostly with a valid key."""
    relative = b"/".join(component(rng) or b"?" for _ in range(rng.randint(1, 6)))
    branch = rng.choice(BRANCHES) if rng.random() < 0.9 else rng.choice(WRONG_BRANCHES)
    key = vault_key(rng.getrandbits(rng.choice([4, 12, 64])), relative)
    if rng.random() < 0.15:
        key = rng.choice(BAD_KEYS)
    elif rng.random() < 0.05:
        place = rng.randrange(len(key))
        key = key[:place] + rng.choice([b"", b"=", b"/", b"-", b"\0"]) + key[place + 1 :]
    return root + b"/.vault/" + branch + b"/" + key
