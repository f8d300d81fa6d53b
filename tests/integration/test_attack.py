"""Every kind of attack once, as `make attack` repeats it for as long as it is asked to."""

from __future__ import annotations

import pytest

from tests.attack.rounds import ATTACKS, one_round


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", ATTACKS)
def test_lurge_withstands_the_attack(name: str, seed: int) -> None:
    assert one_round(name, seed)
