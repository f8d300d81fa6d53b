"""Questions about works. A work is *present* if the last observation of its own tree has it.

The tree of a backlog stands for what was known before its state was walked on that host. Then it counts no more.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import pairwise
from typing import Any, NamedTuple

import sqlalchemy as sa

from lurge.store.works import schema
from lurge.store.works.keys import text_of
from lurge.store.works.walked import walked_since


class WorkState(NamedTuple):
    """A work in a state: the newest count, and since when. create_date: of its project, or of a published work.

    most_images: the largest count that was ever seen in it, if it was asked for, else the newest.
    """

    work: str
    project: str
    host: str
    state: str
    publish_state: str | None
    first_obs_date: date | None
    last_obs_date: date | None
    observations: int
    create_date: date | None
    images: int
    files: int | None
    bytes: int | None
    is_present: bool
    most_images: int = 0

    @property
    def reached(self) -> str:
        """The state; of a published work, which kind of published."""
        return self.publish_state or self.state

    @property
    def days(self) -> int:
        """Days from the first observation in the state to the last."""
        if self.first_obs_date is None or self.last_obs_date is None:
            return 0
        return (self.last_obs_date - self.first_obs_date).days


class StateTotal(NamedTuple):
    """The works and images in a state; of a project, or of all."""

    state: str
    project: str | None
    works: int
    images: int
    last_obs_date: date | None


class DatedTotal(NamedTuple):
    """The works and images in a state at a date, each tree as it was last seen until then."""

    record_date: date
    state: str
    works: int
    images: int


class Movement(NamedTuple):
    """A work that changed between two dates. change: appeared, gone, moved, grew or shrank."""

    work: str
    project: str
    change: str
    state_before: str | None
    state: str | None
    images_before: int | None
    images: int | None


class Loss(NamedTuple):
    """A work that has fewer images in a state than in the one before."""

    work: str
    project: str
    state_before: str
    state: str
    images_before: int
    images: int
    lost: int
    record_date: date | None


def host_of(connection: sa.Connection, state: str, path: str) -> str | None:
    """Return the host on which a tree was walked last; None if it was not."""
    tree, host, seen = schema.trees, schema.hosts, schema.observed
    newest = sa.func.max(seen.c.obs_date)
    query = sa.select(host.c.process_host, tree.c.state, newest).join_from(tree, host).join(seen)
    rows = connection.execute(
        query.where(tree.c.path == text_of(path), tree.c.is_walked).group_by(host.c.process_host, tree.c.state)
    )
    hosts = [(day, name) for name, stored, day in map(tuple, rows) if stored.casefold() == state.casefold()]
    return max(hosts)[1] if hosts else None


def was_seen(connection: sa.Connection, state: str, path: str, day: date) -> bool:
    """True if a tree was walked, or counted from a dump, at a date."""
    tree, seen = schema.trees, schema.observed
    query = sa.select(tree.c.state).join_from(tree, seen).where(seen.c.obs_date == day, tree.c.path == text_of(path))
    states = connection.execute(query.where(tree.c.is_walked)).scalars()
    return state.casefold() in {stored.casefold() for stored in states}


def work_states(connection: sa.Connection, work: str | None = None, with_most: bool = False) -> list[WorkState]:
    """Every work in each of its states, or those of one work, the earliest first.

    with_most: also read the largest counts, which are in every observation that was ever made.
    """
    there = works_there(connection)
    most = most_images(connection) if with_most else {}
    rows: list[WorkState] = []
    for table, state, publish, last, created, key in (
        (schema.process_work_states, schema.process_states.c.state_name, sa.null(), "last_obs_date",
         "process_create_date", "process_work_id"),
        (schema.publish_work_states, sa.literal("published"), schema.publish_states.c.state_name, "obs_date",
         "publish_create_date", "publish_work_id"),
    ):  # fmt: skip
        query = (
            sa.select(
                schema.works.c.process_work, schema.projects.c.process_project, schema.hosts.c.process_host, state,
                publish, table.c.first_obs_date, table.c[last], table.c.obs_count, table.c[created],
                table.c.image_count, table.c.file_count, table.c.bytes, table.c.idtree,
            )
            .join_from(table, schema.works, schema.works.c.idprocess_work == table.c[key])
            .join(schema.projects, schema.projects.c.idprocess_project == table.c.process_project_id)
            .join(schema.hosts, schema.hosts.c.idprocess_host == table.c.process_host_id)
        )  # fmt: skip
        if table is schema.process_work_states:
            query = query.join(schema.process_states)
        else:
            query = query.join(schema.publish_states)
        if work is not None:
            query = query.where(schema.works.c.process_work == work)
        for name, project, host, state_name, published, first, seen, count, made, images, *others in map(
            tuple, connection.execute(query)
        ):
            files, size, tree = others
            place = (host, state_name.casefold(), project, name, published)
            present = tree is None or place in there
            images = images or 0
            largest = max(images, most.get(place, 0))
            known = (name, project, host, state_name, published, first, seen, count or 0, made)
            rows.append(WorkState(*known, images, files, size, present, largest))
    # A server may compare names without case.
    rows = [row for row in rows if work is None or row.work == work]
    return sorted(rows, key=lambda row: (row.work, row.first_obs_date or date.min, row.last_obs_date or date.min))


Place = tuple[str, str, str, str, str | None]
"""A work in a state: host, state in lower case, project, work, and published state."""


def places_of(row: sa.Table) -> tuple[tuple[sa.Column[Any], ...], sa.Join]:
    """The columns of a Place, and the tables that tell them of observations, or of what could not be read."""
    publish, trees = schema.publish_states, schema.trees
    columns = (schema.hosts.c.process_host, trees.c.state, schema.projects.c.process_project,
               schema.works.c.process_work, publish.c.state_name)  # fmt: skip
    source = (
        row.join(trees, trees.c.idtree == row.c.idtree)
        .join(schema.hosts, schema.hosts.c.idprocess_host == trees.c.process_host_id)
        .join(schema.projects, schema.projects.c.idprocess_project == row.c.process_project_id)
        .join(schema.works, schema.works.c.idprocess_work == row.c.process_work_id)
        .join(publish, publish.c.idpublish_state == row.c.publish_state_id, isouter=True)
    )
    return columns, source


def works_there(connection: sa.Connection) -> set[Place]:
    """The works that a tree has where it was last seen, also those that could not be read then."""
    dates = schema.observed
    last = sa.select(dates.c.idtree, sa.func.max(dates.c.obs_date).label("day")).group_by(dates.c.idtree).subquery()
    replaced = walked_since(connection)
    found: set[Place] = set()
    for row in (schema.observations, schema.unread):
        columns, source = places_of(row)
        query = sa.select(*columns, row.c.idtree).select_from(
            source.join(last, (last.c.idtree == row.c.idtree) & (last.c.day == row.c.obs_date))
        )
        for host, state, project, work, published, tree in map(tuple, connection.execute(query)):
            if tree not in replaced:
                found.add((host, state.casefold(), project, work, published))
    return found


def most_images(connection: sa.Connection) -> dict[Place, int]:
    """The largest count of each work that was ever seen in a state."""
    row = schema.observations
    columns, source = places_of(row)
    query = sa.select(*columns, sa.func.max(row.c.image_count)).select_from(source).group_by(*columns)
    most: dict[Place, int] = {}
    for host, state, project, work, published, images in map(tuple, connection.execute(query)):
        place = (host, state.casefold(), project, work, published)
        most[place] = max(images, most.get(place, 0))
    return most


def totals(rows: list[WorkState], by_project: bool) -> list[StateTotal]:
    """The present works and images by state, or by state and project."""
    groups: defaultdict[tuple[str, str | None], list[WorkState]] = defaultdict(list)
    for row in rows:
        if row.is_present:
            groups[row.reached, row.project if by_project else None].append(row)
    return [
        StateTotal(state, project, len(group), sum(row.images for row in group),
                   max((row.last_obs_date for row in group if row.last_obs_date), default=None))
        for (state, project), group in sorted(groups.items(), key=lambda item: (item[0][0], item[0][1] or ""))
    ]  # fmt: skip


def history(connection: sa.Connection) -> list[DatedTotal]:
    """The totals of each state over time. A tree that was not seen at a date counts as it was last seen."""
    table, trees = schema.observed, schema.trees
    query = sa.select(trees.c.state, table.c.idtree, table.c.obs_date, table.c.works, table.c.image_count)
    of_tree: defaultdict[tuple[str, int], list[tuple[date, int, int]]] = defaultdict(list)
    rows = connection.execute(query.join_from(table, trees).order_by(table.c.obs_date)).all()
    unread = unread_sums(connection)
    for state, tree, day, works, images in map(tuple, rows):
        more_works, more_images = unread.get((tree, day), (0, 0))
        of_tree[state, tree].append((day, works + more_works, images + more_images))
    dates = sorted({day for seen in of_tree.values() for day, _, _ in seen})
    replaced = walked_since(connection)
    sums: defaultdict[tuple[date, str], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for (state, tree), seen in of_tree.items():
        known = [day for day, _, _ in seen]
        for day in dates:
            place = bisect_right(known, day) - 1
            if place >= 0 and day < replaced.get(tree, date.max):
                works, images = sums[day, state]
                sums[day, state] = works + seen[place][1], images + seen[place][2]
    return [DatedTotal(day, state, *both) for (day, state), both in sorted(sums.items())]


def unread_sums(connection: sa.Connection) -> dict[tuple[int, date], tuple[int, int]]:
    """The works that could not be read, and the images that they had before, by tree and date."""
    row = schema.unread
    query = sa.select(row.c.idtree, row.c.obs_date, sa.func.count(), sa.func.sum(row.c.image_count))
    rows = connection.execute(query.group_by(row.c.idtree, row.c.obs_date))
    return {(tree, day): (works, int(images)) for tree, day, works, images in map(tuple, rows)}


def works_at(connection: sa.Connection, day: date) -> dict[tuple[str, str], dict[str, int]]:
    """The images in each state of each work at a date, by (project, work); each tree as it was last seen until then."""
    table, published = schema.observed, schema.publish_states
    seen = (
        sa.select(table.c.idtree, sa.func.max(table.c.obs_date).label("day"))
        .where(table.c.obs_date <= day)
        .group_by(table.c.idtree)
        .subquery()
    )
    rows: list[Any] = []
    for row in (schema.observations, schema.unread):
        query = (
            sa.select(
                schema.projects.c.process_project, schema.works.c.process_work, schema.trees.c.state,
                published.c.state_name, row.c.image_count, row.c.idtree,
            )
            .join_from(row, seen, (row.c.idtree == seen.c.idtree) & (row.c.obs_date == seen.c.day))
            .join(schema.projects)
            .join(schema.works)
            .join(schema.trees, schema.trees.c.idtree == row.c.idtree)
            .join(published, published.c.idpublish_state == row.c.publish_state_id, isouter=True)
        )  # fmt: skip
        rows += connection.execute(query).all()
    replaced = walked_since(connection)
    found: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for project, work, state, publish, images, tree in map(tuple, rows):
        if day < replaced.get(tree, date.max):
            states = found[project, work]
            states[publish or state] = states.get(publish or state, 0) + images
    return found


def movements(connection: sa.Connection, since: date, until: date) -> Iterator[Movement]:
    """What appeared, went, moved on, grew or shrank between two dates.

    A work that went from one project and appeared in another, and in no third, has moved: published works have the path
    of their tree as project.
    """
    before, after = works_at(connection, since), works_at(connection, until)
    left: defaultdict[str, list[Movement]] = defaultdict(list)
    entered: defaultdict[str, list[Movement]] = defaultdict(list)
    for project, work in sorted(before.keys() | after.keys()):
        old, new = before.get((project, work), {}), after.get((project, work), {})
        for state in sorted(old.keys() - new.keys()):
            left[work].append(Movement(work, project, "gone", state, None, old[state], None))
        for state in sorted(new.keys() - old.keys()):
            entered[work].append(Movement(work, project, "appeared", None, state, None, new[state]))
        for state in sorted(old.keys() & new.keys()):
            if old[state] != new[state]:
                change = "grew" if new[state] > old[state] else "shrank"
                yield Movement(work, project, change, state, state, old[state], new[state])
    for work in sorted(left.keys() | entered.keys()):
        gone, come = left.get(work, []), entered.get(work, [])
        if len(gone) == len(come) == 1:
            yield Movement(
                work,
                come[0].project,
                "moved",
                gone[0].state_before,
                come[0].state,
                gone[0].images_before,
                come[0].images,
            )
        else:
            yield from (*gone, *come)


def losses(rows: list[WorkState], order: Sequence[str] = ()) -> list[Loss]:
    """The works that lost images on their way from one state to the next, the largest loss first.

    rows: of `work_states`, with the largest counts. order: the states in the order of the process, for those that were
    first seen at one date. A work's way is that of its project, and of published works of its name. It is compared with
    the largest count that was seen in the state before.
    """
    ways: defaultdict[tuple[str, str], list[WorkState]] = defaultdict(list)
    for row in rows:
        if row.publish_state is None:
            ways[row.work, row.project].append(row)
    named: defaultdict[str, list[str]] = defaultdict(list)
    for work, project in ways:
        named[work].append(project)
    for row in rows:
        if row.publish_state is not None:
            for project in named.get(row.work) or [row.project]:
                ways[row.work, project].append(row)
    places = {state: number for number, state in enumerate(order)}
    found = []
    for (work, _), way in ways.items():
        way.sort(key=lambda row: (row.first_obs_date or date.min, places.get(row.state, len(places))))
        stages: dict[str, list[WorkState]] = {}
        for row in way:
            stages.setdefault(row.reached, []).append(row)
        for (before, old), (after, new) in pairwise(stages.items()):
            most = max(row.most_images for row in old)
            # While files are moved away, a state has less than it had.
            images = max(row.images if row.is_present else row.most_images for row in new)
            if images < most:
                first = min((row.first_obs_date for row in new if row.first_obs_date), default=None)
                found.append(Loss(work, new[0].project, before, after, most, images, most - images, first))
    return sorted(found, key=lambda loss: (-loss.lost, loss.work))


def gone(rows: list[WorkState]) -> list[WorkState]:
    """The works that are nowhere any more, in the states in which they were.

    A published work has the path of its tree as project, so it is there for any project.
    """
    here = {(row.work, row.project) for row in rows if row.is_present}
    published = {row.work for row in rows if row.is_present and row.publish_state is not None}
    return [row for row in rows if (row.work, row.project) not in here and row.work not in published]
