"""Works that several trees of one host and state have at one date, such as a backlog and a walk: they count once.

Of such trees, a walked one goes before that of a backlog, and of several walked ones the one that was added last.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Set
from datetime import date
from typing import Any, NamedTuple

import sqlalchemy as sa

from lurge.store.works import schema
from lurge.store.works.walked import UNKNOWN

FEW_TREES, DAYS_AT_ONCE = 500, 500


class Counted(NamedTuple):
    """The keys of a work in a state. publish: of a published work, else None."""

    tree: int
    project: int
    work: int
    publish: int | None


class Walked(NamedTuple):
    """The trees of a host and state that were walked at some dates, in the order in which they were added."""

    host: int
    state: str
    trees: tuple[int, ...]

    def followers(self, tree: sa.Column[int]) -> Iterator[tuple[sa.ColumnElement[bool], tuple[int, ...]]]:
        """Conditions on the tree of an observation, each with the trees that go before it.

        A backlog of an unknown host is of any host.
        """
        trees, hosts = schema.trees, schema.hosts
        of_host = (hosts.c.idprocess_host == self.host) | (hosts.c.process_host == UNKNOWN)
        of_state = (trees.c.state == self.state) & ~trees.c.is_walked
        yield tree.in_(sa.select(trees.c.idtree).join_from(trees, hosts).where(of_host, of_state)), self.trees
        for place, one in enumerate(self.trees[:-1], 1):
            yield tree == one, self.trees[place:]


def what_counts(connection: sa.Connection, days: Collection[date]) -> sa.ColumnElement[bool]:
    """The condition on the observations of some dates that count."""
    row, other = schema.observations, schema.observations.alias()
    same = same_work(row, other)
    same &= sa.func.coalesce(other.c.publish_state_id, 0) == sa.func.coalesce(row.c.publish_state_id, 0)
    twice = (
        condition & sa.select(sa.literal(1)).where(other.c.idtree.in_(before), same).correlate(row).exists()
        for walked in walked_at(connection, days)
        for condition, before in walked.followers(row.c.idtree)
    )
    return sa.and_(row.c.obs_date.in_(days), *(~condition for condition in twice))


def seen_twice(connection: sa.Connection, pairs: Set[tuple[int, date]]) -> Iterator[Counted]:
    """The works of some trees and dates that other trees have, too."""
    touched, days = {tree for tree, _ in pairs}, sorted({day for _, day in pairs})
    for first in range(0, len(days), DAYS_AT_ONCE):
        yield from seen_twice_at(connection, touched, days[first : first + DAYS_AT_ONCE])


def seen_twice_at(connection: sa.Connection, touched: Set[int], days: Collection[date]) -> Iterator[Counted]:
    """The works of some trees that other trees have at some of the dates, too. Of many trees, those of all."""
    own, other = schema.observations.alias(), schema.observations.alias()
    names = ("idtree", "process_project_id", "process_work_id", "publish_state_id")
    columns = (*(own.c[name] for name in names), other.c.publish_state_id)
    for walked in walked_at(connection, days):
        for condition, before in walked.followers(own.c.idtree):
            query = (
                sa.select(*columns)
                .join_from(own, other, same_work(own, other))
                .where(condition, other.c.idtree.in_(before), own.c.obs_date.in_(days))
            )
            if len(touched) <= FEW_TREES:
                query = query.where(own.c.idtree.in_(touched) | other.c.idtree.in_(touched))
            for tree, project, work, *states in list(map(tuple, connection.execute(query))):
                yield from (Counted(tree, project, work, state) for state in set(states))


def same_work(one: Any, other: Any) -> sa.ColumnElement[bool]:
    """The condition that two observations are of one work at one date."""
    names = ("obs_date", "process_project_id", "process_work_id")
    return sa.and_(*(one.c[name] == other.c[name] for name in names))


def walked_at(connection: sa.Connection, days: Collection[date]) -> list[Walked]:
    """The trees that were walked, and seen at some dates, by host and state."""
    tree, seen = schema.trees, schema.observed
    query = (
        sa.select(tree.c.process_host_id, tree.c.state, tree.c.idtree)
        .join_from(tree, seen)
        .where(tree.c.is_walked, seen.c.obs_date.in_(days))
        .distinct()
        .order_by(tree.c.idtree)
    )
    groups: dict[tuple[int, str], list[int]] = {}
    for host, state, one in map(tuple, connection.execute(query)):
        groups.setdefault((host, state), []).append(one)
    return [Walked(host, state, tuple(trees)) for (host, state), trees in groups.items()]
