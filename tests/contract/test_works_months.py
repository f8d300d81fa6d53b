"""Questions about works over months of made-up days, beside a plain model that remembers every day."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date, timedelta
from typing import Any

from lurge.model.works import FULL, PUBLISHED, WEB, TreeKey
from lurge.store.database import Database
from lurge.store.works.read import history, movements, totals, work_states
from tests.contract.test_works import Taken, record

FIRST = date(2024, 1, 1)
DAYS = 70
TREES = [
    TreeKey("h1", "cataloged", "/new"), TreeKey("h1", "scanned", "/scans"), TreeKey("h2", "scanned", "/scans"),
    TreeKey("h1", PUBLISHED, "/web"),
]  # fmt: skip
PLACES = [("P", "W1"), ("Q", "W1"), *(("P", f"W{number}") for number in range(2, 7))]

Known = dict[tuple[str, str], Taken]
"""What is in a tree, by (project, work)."""


def live(chosen: random.Random, inside: dict[TreeKey, Known]) -> None:
    """One day: works appear, move on, grow, shrink, vanish and come back."""
    for number, tree in enumerate(TREES):
        for place in list(inside[tree]):
            one = inside[tree][place]
            fate = chosen.random()
            if fate < 0.05:
                del inside[tree][place]
            elif fate < 0.15 and number < len(TREES) - 1:
                target = chosen.choice(TREES[number + 1 :])
                project = target.path if target.state == PUBLISHED else place[0]
                publish = chosen.choice([FULL, WEB]) if target.state == PUBLISHED else None
                if (project, place[1]) not in inside[target]:
                    del inside[tree][place]
                    inside[target][project, place[1]] = Taken(publish, one.images)
            elif fate < 0.3:
                inside[tree][place] = Taken(one.publish, max(one.images + chosen.randint(-3, 9), 0))
    if chosen.random() < 0.4:
        inside[TREES[0]].setdefault(chosen.choice(PLACES), Taken(None, chosen.randrange(20)))


def at(seen: dict[TreeKey, dict[date, Known]], day: date) -> dict[TreeKey, Known]:
    """What each tree held when it was last seen."""
    found = {}
    for tree, days in seen.items():
        until = [one for one in days if one <= day]
        if until:
            found[tree] = days[max(until)]
    return found


def by_work(known: dict[TreeKey, Known]) -> dict[tuple[str, str], dict[str, int]]:
    """Images by (project, work) and state."""
    found: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for tree, taken in known.items():
        for place, one in taken.items():
            state = one.publish or tree.state
            found[place][state] = found[place].get(state, 0) + one.images
    return found


def test_questions_are_right_over_months(works: Database) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chosen = random.Random(seed)
    inside: dict[TreeKey, Known] = {tree: {} for tree in TREES}
    seen: dict[TreeKey, dict[date, Known]] = {tree: {} for tree in TREES}
    away = {tree: range(start, start + 7) for tree, start in zip(TREES, chosen.sample(range(5, DAYS), 4), strict=True)}
    for number in range(DAYS):
        day = FIRST + timedelta(number)
        live(chosen, inside)
        for tree in TREES:
            if number in away[tree] or chosen.random() < 0.2:
                continue
            before = at({tree: seen[tree]}, day).get(tree, {})
            unread = {place for place in inside[tree] if chosen.random() < 0.05}
            read = {place: one for place, one in inside[tree].items() if place not in unread}
            record(works, tree, day, read, unread=unread)
            seen[tree][day] = read | {place: before[place] for place in unread if place in before}
    last = FIRST + timedelta(DAYS)
    with works.reading() as connection:
        rows = work_states(connection)
        present = {
            ((row.host, row.state), (row.project, row.work)): (row.publish_state, row.images)
            for row in rows
            if row.is_present
        }
        assert present == {
            ((tree.host, tree.state), place): (one.publish, one.images)
            for tree, taken in at(seen, last).items()
            for place, one in taken.items()
        }
        expected: defaultdict[str, list[int]] = defaultdict(list)
        for tree, taken in at(seen, last).items():
            for one in taken.values():
                expected[one.publish or tree.state].append(one.images)
        assert {row.state: (row.works, row.images) for row in totals(rows, by_project=False)} == {
            state: (len(images), sum(images)) for state, images in expected.items()
        }
        check_history(seen, history(connection))
        for _ in range(20):
            since, until = sorted(FIRST + timedelta(chosen.randrange(DAYS)) for _ in range(2))
            check_movements(
                by_work(at(seen, since)), by_work(at(seen, until)), list(movements(connection, since, until))
            )


def check_history(seen: dict[TreeKey, dict[date, Known]], found: list[Any]) -> None:
    days = sorted({day for of_tree in seen.values() for day in of_tree})
    expected = {}
    for day in days:
        for tree, taken in at(seen, day).items():
            works, images = expected.get((day, tree.state), (0, 0))
            more = sum(one.images for one in taken.values())
            expected[day, tree.state] = works + len(taken), images + more
    assert {(row.record_date, row.state): (row.works, row.images) for row in found} == expected


def check_movements(before: dict[Any, dict[str, int]], after: dict[Any, dict[str, int]], found: list[Any]) -> None:
    """The movements lead from what was to what is, and name nothing that stayed."""
    states = {place: dict(images) for place, images in before.items()}
    for one in found:
        if one.change == "moved":
            # A published work has another project than before.
            sources = [place for place in states if place[1] == one.work and one.state_before in states[place]]
            gone = [place for place in sources if one.state_before not in after.get(place, {})]
            gone.sort(key=lambda place: place[0] != one.project)
            assert states[gone[0]].pop(one.state_before) == one.images_before
            states.setdefault((one.project, one.work), {})[one.state] = one.images
            continue
        own = states.setdefault((one.project, one.work), {})
        if one.change == "appeared":
            assert one.state not in own
            own[one.state] = one.images
        elif one.change == "gone":
            assert own.pop(one.state_before) == one.images_before
        else:
            assert own[one.state] == one.images_before != one.images
            assert (one.change == "grew") == (one.images > one.images_before)
            own[one.state] = one.images
    assert {place: own for place, own in states.items() if own} == {place: own for place, own in after.items() if own}
