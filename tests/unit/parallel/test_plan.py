"""Who plays which role."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lurge.parallel.plan import Plan, make_plan, share


def test_examples() -> None:
    assert make_plan(2, 7, 6) == Plan((1,), ())
    assert make_plan(3, 1, 6) == Plan((1,), (2,))
    assert make_plan(4, 3, 6) == Plan((1,), (2, 3))
    assert make_plan(8, 7, 6) == Plan((1, 2, 3), (4, 5, 6, 7))
    assert make_plan(50, 7, 6) == Plan(tuple(range(1, 8)), tuple(range(8, 50)))
    assert make_plan(8, 1, 2) == Plan((1,), tuple(range(2, 8)))
    assert make_plan(8, 9, 1) == Plan((1, 2, 3), (4, 5, 6, 7))


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
