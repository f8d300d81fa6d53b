"""The roles of ranks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lurge.parallel.plan import Plan, make_plan, share


@pytest.mark.parametrize(
    ("ranks", "volumes", "workers_per_volume", "plan"),
    [
        (2, 7, 6, Plan((1,), ())),
        (3, 1, 6, Plan((1,), (2,))),
        (4, 3, 6, Plan((1,), (2, 3))),
        (8, 7, 6, Plan((1, 2, 3), (4, 5, 6, 7))),
        (50, 7, 6, Plan(tuple(range(1, 8)), tuple(range(8, 50)))),
        (8, 1, 2, Plan((1,), tuple(range(2, 8)))),
        (8, 9, 1, Plan((1, 2, 3), (4, 5, 6, 7))),
    ],
)
def test_there_is_a_controller_for_every_worker_but_at_most_one_a_volume(
    ranks: int, volumes: int, workers_per_volume: int, plan: Plan
) -> None:
    assert make_plan(ranks, volumes, workers_per_volume) == plan


@given(ranks=st.integers(2, 200), volumes=st.integers(1, 50), workers=st.integers(1, 20))
def test_every_rank_has_one_role(ranks: int, volumes: int, workers: int) -> None:
    plan = make_plan(ranks, volumes, workers)
    assert sorted([0, *plan.controllers, *plan.workers]) == list(range(ranks))
    assert 1 <= len(plan.controllers) <= volumes
    assert bool(plan.workers) == (ranks > 2)
    crews = share(plan.workers, len(plan.controllers))
    assert sorted(worker for crew in crews for worker in crew) == sorted(plan.workers)
    assert ranks == 2 or min(map(len, crews)) >= 1
    assert max(map(len, crews)) - min(map(len, crews)) <= 1
