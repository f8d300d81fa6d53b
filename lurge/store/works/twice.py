"""Works that several trees of one host and state have at one date, such as a backlog and a walk: they count once.

Of such trees, a walked one goes before that of a backlog, and the newest before others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Set
from datetime import date
from typing import Any, NamedTuple

import sqlalchemy as sa

from lurge.store.works import schema


class Counted(NamedTuple):
    """The keys of a work in a state. publish: of a published work, else None."""

    tree: int
    project: int
    work: int
    publish: int | None


def what_counts(connection: sa.Connection, days: Collection[date]) -> sa.ColumnElement[bool]:
    """The condition on the observations of some dates that count."""
    row, other = schema.observations, schema.observations.alias()
    same = same_work(row, other)
    same &= sa.func.coalesce(other.c.publish_state_id, 0) == sa.func.coalesce(row.c.publish_state_id, 0)
    twice = (
        row.c.idtree.in_(trees)
        & sa.select(sa.literal(1)).where(other.c.idtree.in_(others), same).correlate(row).exists()
        for others, trees in trees_before(connection, days).items()
    )
    return sa.and_(row.c.obs_date.in_(days), *(~condition for condition in twice))


def seen_twice(connection: sa.Connection, pairs: Set[tuple[int, date]]) -> Iterable[Counted]:
    """The works of some trees and dates that other trees have, too."""
    own, other = schema.observations.alias(), schema.observations.alias()
    touched, days = {tree for tree, _ in pairs}, {day for _, day in pairs}
    is_touched = own.c.idtree.in_(touched) | other.c.idtree.in_(touched)
    names = ("idtree", "process_project_id", "process_work_id", "publish_state_id")
    for others, trees in trees_before(connection, days).items():
        query = (
            sa.select(*(own.c[name] for name in names), other.c.publish_state_id)
            .join_from(own, other, same_work(own, other))
            .where(own.c.idtree.in_(trees), other.c.idtree.in_(others), own.c.obs_date.in_(days), is_touched)
        )
        for tree, project, work, *states in list(map(tuple, connection.execute(query))):
            yield from (Counted(tree, project, work, state) for state in set(states))


def same_work(one: Any, other: Any) -> sa.ColumnElement[bool]:
    """The condition that two observations are of one work at one date."""
    names = ("obs_date", "process_project_id", "process_work_id")
    return sa.and_(*(one.c[name] == other.c[name] for name in names))


def trees_before(connection: sa.Connection, days: Collection[date]) -> dict[frozenset[int], list[int]]:
    """The trees before which others of their host and state go at some dates, by these others."""
    mine, other = schema.trees.alias(), schema.trees.alias()
    seen, again = schema.observed.alias(), schema.observed.alias()
    pairs = (
        sa.select(mine.c.idtree, other.c.idtree)
        .join_from(mine, seen, seen.c.idtree == mine.c.idtree)
        .join(other, (other.c.process_host_id == mine.c.process_host_id) & (other.c.state == mine.c.state))
        .join(again, (again.c.idtree == other.c.idtree) & (again.c.obs_date == seen.c.obs_date))
        .where(other.c.is_walked, ~mine.c.is_walked | (mine.c.idtree < other.c.idtree), seen.c.obs_date.in_(days))
        .distinct()
    )
    before: dict[int, set[int]] = {}
    for tree, one in map(tuple, connection.execute(pairs)):
        before.setdefault(tree, set()).add(one)
    groups: dict[frozenset[int], list[int]] = {}
    for tree, others in before.items():
        groups.setdefault(frozenset(others), []).append(tree)
    return groups
