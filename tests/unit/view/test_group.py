from __future__ import annotations

from datetime import date

from lurge.model.overview import VolumeUse
from lurge.view.pages.group import PLOTS, plotted_volumes


def test_plots_are_those_of_the_most_urgent_and_then_the_most_used_volumes() -> None:
    uses = [VolumeUse(f"v{number}", date(2024, 1, 1), used=number) for number in range(PLOTS + 4)]
    assert plotted_volumes(uses[:PLOTS]) == [use.volume for use in uses[:PLOTS]]
    uses[1].warning_id, uses[2].warning_id, uses[9].warning_id = 3, 2, 1
    assert plotted_volumes(uses) == ["v1", "v2", "v6", "v7", "v8", "v9"]
