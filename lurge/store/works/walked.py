"""Trees that count no more, because their state was walked since."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa

from lurge.store.works import schema

UNKNOWN = "unknown"
"""The host, and the project, of works for which the older tool had none."""


def walked_since(connection: sa.Connection) -> dict[int, date]:
    """Return the trees of backlogs whose state was walked on their host since, each with the first date of a walk.

    A tree of an unknown host counts no more once its state is walked on any host.
    """
    trees, seen, hosts = schema.trees, schema.observed, schema.hosts
    query = sa.select(trees.c.idtree, hosts.c.process_host, trees.c.state, trees.c.is_walked,
                      sa.func.min(seen.c.obs_date))  # fmt: skip
    keys = (trees.c.idtree, hosts.c.process_host, trees.c.state, trees.c.is_walked)
    rows = list(map(tuple, connection.execute(query.join_from(trees, seen).join(hosts).group_by(*keys))))
    first: dict[tuple[str, str], date] = {}
    for _, host, state, is_walked, day in rows:
        if is_walked:
            for place in ((host, state.casefold()), (UNKNOWN, state.casefold())):
                first[place] = min(day, first.get(place, day))
    return {
        tree: first[host, state.casefold()]
        for tree, host, state, is_walked, _ in rows
        if not is_walked and (host, state.casefold()) in first
    }
