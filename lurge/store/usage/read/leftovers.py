"""Finding what the older tool left beside what lurge stores: dates of usage, and names that stand twice.

The older tool dated the usage of groups by the day on which a dump's file was last changed, in local time, and users
and vaults by the dump's name. So one dump may stand under two dates.
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

MOST_DAYS_LATE = 14
"""How long after the date in its name a dump's file may have been changed."""

NANOSECONDS = 10**9
ADVICE = "`lurge db check --repair` corrects it"


@dataclass(frozen=True)
class Misdated:
    """Group usage of a volume under another date than its dump's. twice: it stands under the dump's date, too."""

    volume_id: int
    volume: str
    stored: date
    record_date: date
    twice: bool


def misdated(connection: sa.Connection) -> list[Misdated]:
    """All group usage that stands under a wrong date, by volume, oldest first."""
    volume = schema.volume
    found = []
    for key, name in connection.execute(sa.select(volume).order_by(volume.c.scratch_disk)).all():
        found += [Misdated(key, name, *pair) for pair in misdated_of(connection, key)]
    return found


def misdated_of(connection: sa.Connection, volume_id: int) -> Iterator[tuple[date, date, bool]]:
    """(stored, record date, whether it stands under both) of each wrong date of a volume."""
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
    """The day of a Unix time in the time zone of this machine, as the older tool took it."""
    return datetime.fromtimestamp(nanoseconds // NANOSECONDS).date()


def aligned(late: Sequence[date], early: Sequence[date]) -> list[tuple[date, date]]:
    """Pairs (late, early) of sorted dates: in order, at most MOST_DAYS_LATE apart, as many as possible.

    Of as many, those whose distance changes least often, then the nearest: dumps are published about as late every
    night. A night on which only groups or only users were stored has no pair.
    """
    best = [Chain(-1, 0, 0, 0, None)]
    for day in early:
        reach = range(bisect_left(late, day), bisect_right(late, day + timedelta(MOST_DAYS_LATE)))
        longer = [
            max((chain.and_pair(place, late[place], day) for chain in best if chain.last < place), key=rank)
            for place in reach
        ]
        best = worth_keeping([*best, *longer])
    pairs = []
    link = max(best, key=rank).link
    while link:
        one, other, before = link
        pairs.append((one, other))
        link = before.link
    return pairs[::-1]


@dataclass(frozen=True)
class Chain:
    """Some pairs in order. last: the place of the last late date; changes: how often the distance changes.

    days: the distances together. link: the last pair, and the chain of those before it.
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

    def and_pair(self, place: int, late: date, early: date) -> Chain:
        """This chain with one pair more."""
        days = (late - early).days
        changes = self.changes + (self.distance not in (None, days))
        return Chain(place, self.pairs + 1, changes, self.days + days, (late, early, self))

    def makes_useless(self, other: Chain) -> bool:
        """Whether no pairs can make `other` the better chain: a change of distance is all that it can save."""
        more = 0 if self.distance == other.distance else 1
        ours = (self.pairs, -self.changes - more, -self.days)
        return self.last <= other.last and ours >= rank(other)


def rank(chain: Chain) -> tuple[int, int, int]:
    """The better a chain is, the larger."""
    return chain.pairs, -chain.changes, -chain.days


def worth_keeping(chains: Sequence[Chain]) -> list[Chain]:
    """The chains that may become the best."""
    kept: list[Chain] = []
    for chain in sorted(chains, key=lambda one: (one.last, [-number for number in rank(one)])):
        if not any(one.makes_useless(chain) for one in kept):
            kept.append(chain)
    return kept


def repeated_groups(connection: sa.Connection) -> dict[str, list[int]]:
    """The keys of each group name that stands twice or more, lowest first: only without its unique key can that be."""
    group = schema.unix_group
    repeated = sa.select(group.c.group_name).group_by(group.c.group_name).having(sa.func.count() > 1)
    rows = sa.select(group.c.group_name, group.c.group_id).where(group.c.group_name.in_(repeated))
    found: dict[str, list[int]] = {}
    for name, key in connection.execute(rows.order_by(group.c.group_id)):
        found.setdefault(name, []).append(key)
    return found


def lacks_unique_groups(connection: sa.Connection) -> bool:
    """Whether a site dropped the key that makes names of groups unique, as the older tool may need it."""
    inspector = sa.inspect(connection)
    keys = [one["column_names"] for one in inspector.get_unique_constraints("unix_group")]
    indexes = [one["column_names"] for one in inspector.get_indexes("unix_group") if one["unique"]]
    return not any(columns == ["group_name"] for columns in (*keys, *indexes))


def complaints(connection: sa.Connection) -> Iterator[str]:
    """What `repair` would correct, a sentence for each volume."""
    by_volume: dict[str, list[Misdated]] = {}
    for one in misdated(connection):
        by_volume.setdefault(one.volume, []).append(one)
    for name, found in by_volume.items():
        twice = sum(one.twice for one in found)
        also = f", {twice} of them twice" if twice else ""
        last = found[-1]
        yield (
            f"{name}: group usage of {len(found)} dumps stands under the day on which the file was changed{also},"
            f" the last under {last.stored} instead of {last.record_date}: {ADVICE}"
        )
    if lacks_unique_groups(connection):
        yield f"names of groups are not unique, {len(repeated_groups(connection))} stand there more than once: {ADVICE}"
