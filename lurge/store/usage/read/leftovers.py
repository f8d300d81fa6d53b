"""Search for data of the older tool that lurge must correct: dates of group usage, and repeated names of groups.

The older tool dated group usage by the modification time of the dump's file, in local time, and users and vaults by the
dump's name. So one dump may be stored under two dates.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import sqlalchemy as sa

from lurge.store.usage import schema
from lurge.store.usage.read.dates import dates_of
from lurge.store.usage.read.volumes import usage_of

MAX_DAYS_LATE = 14
"""Maximum days from the date in a dump's name to the modification of its file."""

NANOSECONDS = 10**9
ADVICE = "`lurge db check --repair` corrects it"


@dataclass(frozen=True)
class Misdated:
    """Group usage that is stored under a wrong date. twice: it is stored under the dump's date, too."""

    volume_id: int
    volume: str
    stored: date
    record_date: date
    twice: bool


def misdated(connection: sa.Connection) -> list[Misdated]:
    """Return all group usage that is stored under a wrong date, by volume, oldest first."""
    volume = schema.volume
    usages: list[Misdated] = []
    for key, name in connection.execute(sa.select(volume).order_by(volume.c.scratch_disk)).all():
        usages += [Misdated(key, name, *pair) for pair in misdated_of(connection, key)]
    return usages


def misdated_of(connection: sa.Connection, volume_id: int) -> Iterator[tuple[date, date, bool]]:
    """Yield (stored date, record date, whether it is stored under both) for each wrong date of a volume."""
    summary, users, vault = schema.volume_summary, schema.user_usage, schema.vault
    of_volume = summary.c.volume_id == volume_id
    ours = dates_of(connection, summary, of_volume)
    by_file = dates_of(connection, schema.lustre_usage, usage_of(volume_id)) - ours
    by_name = dates_of(connection, users, users.c.volume_id == volume_id)
    by_name |= dates_of(connection, vault, vault.c.volume_id == volume_id)
    modified = sa.select(summary.c.record_date, summary.c.dump_modified).where(of_volume)
    twice = {
        (changed, day)
        for day, nanoseconds in connection.execute(modified.where(summary.c.dump_modified.is_not(None)))
        if day < (changed := local_day(nanoseconds)) and changed in by_file - by_name
    }
    left = by_file - {changed for changed, _ in twice}
    pairs = {(late, early) for late, early in aligned(sorted(left), sorted(by_name - ours)) if late != early}
    yield from sorted((*pair, pair in twice) for pair in pairs | twice)


def local_day(nanoseconds: int) -> date:
    """Return the day of a Unix time in the time zone of this machine, as the older tool did."""
    return datetime.fromtimestamp(nanoseconds // NANOSECONDS).date()


def aligned(late: Sequence[date], early: Sequence[date]) -> list[tuple[date, date]]:
    """Pair sorted dates: (late, early) in order, at most MAX_DAYS_LATE apart, as many pairs as possible.

    Among equally many pairs, those are chosen whose distance changes least often, and then the nearest ones: the delay
    of dumps is about the same every night. A night of which only groups or only users are stored has no pair.
    """
    best = [Chain(-1, 0, 0, 0, None)]
    for day in early:
        reach = range(bisect_left(late, day), bisect_right(late, day + timedelta(MAX_DAYS_LATE)))
        longer = [
            max((chain.and_pair(index, late[index], day) for chain in best if chain.last < index), key=rank)
            for index in reach
        ]
        best = worth_keeping([*best, *longer])
    pairs = []
    link = max(best, key=rank).link
    while link:
        late_day, early_day, before = link
        pairs.append((late_day, early_day))
        link = before.link
    return pairs[::-1]


@dataclass(frozen=True)
class Chain:
    """A sequence of pairs. last: the index of the last late date. changes: how often the distance changes.

    days: the sum of the distances. link: the last pair, and the chain of the pairs before it.
    """

    last: int
    pairs: int
    changes: int
    days: int
    link: tuple[date, date, Chain] | None

    @property
    def distance(self) -> int | None:
        """Days between the dates of the last pair."""
        return (self.link[0] - self.link[1]).days if self.link else None

    def and_pair(self, index: int, late: date, early: date) -> Chain:
        """Return this chain with one more pair. index: of the late date."""
        days = (late - early).days
        changes = self.changes + (self.distance not in (None, days))
        return Chain(index, self.pairs + 1, changes, self.days + days, (late, early, self))

    def makes_useless(self, other: Chain) -> bool:
        """Return whether further pairs cannot make `other` the better chain. It can save one change of distance."""
        more = 0 if self.distance == other.distance else 1
        ours = (self.pairs, -self.changes - more, -self.days)
        return self.last <= other.last and ours >= rank(other)


def rank(chain: Chain) -> tuple[int, int, int]:
    """Return a key that is larger for a better chain."""
    return chain.pairs, -chain.changes, -chain.days


def worth_keeping(chains: Sequence[Chain]) -> list[Chain]:
    """Return the chains that may still become the best."""
    kept: list[Chain] = []
    for chain in sorted(chains, key=lambda chain: (chain.last, [-number for number in rank(chain)])):
        if not any(better.makes_useless(chain) for better in kept):
            kept.append(chain)
    return kept


def repeated_groups(connection: sa.Connection) -> dict[str, list[int]]:
    """Return the keys of each repeated group name, lowest first. Names only repeat if their unique key is missing."""
    group = schema.unix_group
    repeated = sa.select(group.c.group_name).group_by(group.c.group_name).having(sa.func.count() > 1)
    rows = sa.select(group.c.group_name, group.c.group_id).where(group.c.group_name.in_(repeated))
    keys: dict[str, list[int]] = {}
    for name, key in connection.execute(rows.order_by(group.c.group_id)):
        keys.setdefault(name, []).append(key)
    return keys


def lacks_unique_groups(connection: sa.Connection) -> bool:
    """Return whether names of groups have no unique key. A site may have dropped it for the older tool."""
    inspector = sa.inspect(connection)
    keys = [key["column_names"] for key in inspector.get_unique_constraints("unix_group")]
    indexes = [index["column_names"] for index in inspector.get_indexes("unix_group") if index["unique"]]
    return not any(columns == ["group_name"] for columns in (*keys, *indexes))


def complaints(connection: sa.Connection) -> Iterator[str]:
    """Yield a sentence about everything that `repair` would correct."""
    by_volume: dict[str, list[Misdated]] = {}
    for dump in misdated(connection):
        by_volume.setdefault(dump.volume, []).append(dump)
    for name, dumps in by_volume.items():
        twice = sum(dump.twice for dump in dumps)
        also = f", {twice} of them also under the right date" if twice else ""
        last = dumps[-1]
        yield (
            f"{name}: group usage of {len(dumps)} dumps is stored under the date of the file's modification{also},"
            f" the last under {last.stored} instead of {last.record_date}: {ADVICE}"
        )
    if lacks_unique_groups(connection):
        yield f"names of groups have no unique key (repeated names: {len(repeated_groups(connection))}): {ADVICE}"
