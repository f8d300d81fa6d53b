"""Plots: names in them, and how far the band of a forecast goes."""

from __future__ import annotations

from datetime import date, timedelta

from lurge.store.usage.read.history import DatedUse
from lurge.view.figures import escaped
from lurge.view.pages.group import history_plot

DAY = date(2024, 1, 1)


def test_names_are_text_for_plotly_and_addresses_stay_as_they_are() -> None:
    figure = {
        "data": [
            {"labels": ["<a href='x'>", "a&b"], "name": "\u202e<b>", "customdata": ["/group?name=<b>&x=1"], "y": [1]}
        ],
        "layout": {"xaxis": {"title": {"text": "1 < 2"}, "type": "log"}},
    }
    assert escaped(figure) == {
        "data": [
            {
                "labels": ["&lt;a href='x'&gt;", "a&amp;b"],
                "name": "\\u202e&lt;b&gt;",
                "customdata": ["/group?name=<b>&x=1"],
                "y": [1],
            }
        ],
        "layout": {"xaxis": {"title": {"text": "1 &lt; 2"}, "type": "log"}},
    }


def test_the_band_of_a_forecast_ends_where_the_past_could_not_test_it() -> None:
    for days, last in ((3, 0), (14, 7), (60, 30)):
        sizes = [1000 + number * 10 + number % 3 for number in range(days)]
        uses = [DatedUse("scratch101", DAY + timedelta(number), size, 0, None) for number, size in enumerate(sizes)]
        plot = history_plot("scratch101", uses)
        band = next(trace for trace in plot.figure["data"] if trace["name"] == "nine of ten")
        end = (uses[-1].record_date + timedelta(last)).isoformat()
        assert max(band["x"], default=None) == (end if last else None), days
        assert band["x"] == band["x"][::-1]
        assert len(band["x"]) == len(band["y"])
