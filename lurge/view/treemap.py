"""A treemap: directories as boxes in boxes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from lurge.model.paths import shown
from lurge.store.tree.directory import Children, Directory
from lurge.store.tree.layout import USAGE_PLACES
from lurge.store.tree.read import Index
from lurge.store.tree.sums import Measures
from lurge.store.tree.usage import Filter, age_name
from lurge.view.view import Plot

BOXES, OPENED, BOXES_BELOW = 300, 8, 25
"""Boxes of directories; how many of these, the largest, show what is in them; and boxes in each of them."""

Growth = Mapping[bytes, int] | None
"""The bytes of directories at an earlier date."""


@dataclass(frozen=True)
class Drawing:
    """How a treemap is drawn.

    area: `bytes` or `records`. axis: `mtime` or `atime`, whose ages are colours. since: a date; then growth is. link:
    the address of a directory.
    """

    area: str
    axis: str
    since: date | None
    link: Callable[[bytes], str]


@dataclass
class Boxes:
    """The boxes of a treemap, as plotly takes them. colours: the number of an age, or bytes of growth."""

    ids: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    parents: list[str] = field(default_factory=list)
    values: list[int] = field(default_factory=list)
    colours: list[int | None] = field(default_factory=list)
    links: list[str] = field(default_factory=list)

    def add(self, label: str, parent: str, value: int, colour: int | None, link: str) -> str:
        """Add a box; returns its id."""
        self.ids.append(str(len(self.ids)))
        self.labels.append(label)
        self.parents.append(parent)
        self.values.append(value)
        self.colours.append(colour)
        self.links.append(link)
        return self.ids[-1]


def treemap(
    index: Index, place: Directory, children: Children, here: Measures, wanted: Filter, before: Growth, drawing: Drawing
) -> Plot:
    """Two levels of directories as boxes. The colour is the age of most bytes, or the growth since a date.

    before: the bytes of each child at that date; None without one.
    """

    def add_largest(parent: str, rows: Children, most: int) -> Children:
        """Add boxes of the largest directories; returns these."""
        chosen = rows.at(rows.by_largest(drawing.area)[:most])
        paths, sums = chosen.paths, chosen.sums.columns
        colours: Sequence[int | None]
        if before is None:
            colours = index.ages_of(chosen, wanted)
        else:
            colours = [size - before.get(path, 0) for path, size in zip(paths, sums["bytes"].tolist(), strict=True)]
        for path, value, colour in zip(paths, sums[drawing.area].tolist(), colours, strict=True):
            boxes.add(shown(path.rpartition(b"/")[2]), parent, value, colour, drawing.link(path))
        return chosen

    boxes = Boxes()
    own = (here.bytes or 0) if drawing.area == "bytes" else here.records
    whole = own + sum(children.sums.columns[drawing.area].tolist())
    top = boxes.add(shown(place.path), "", whole, None, "")
    largest = add_largest(top, children, BOXES)
    identities = boxes.ids[1:]
    left = whole - sum(boxes.values[1:])
    if left:
        boxes.add("files here" if len(largest) == len(children) else "all else", top, left, None, "")
    if before is None:
        for identity, (child, _) in zip(identities, largest.at(np.arange(min(OPENED, len(largest)))), strict=False):
            below = index.child_sums(child, wanted, ("path", *USAGE_PLACES), ("records", drawing.area))
            add_largest(identity, below, BOXES_BELOW)
    event = "last access" if drawing.axis == "atime" else "last change"
    trace = {
        "type": "treemap", "ids": boxes.ids, "labels": boxes.labels, "parents": boxes.parents, "values": boxes.values,
        "customdata": boxes.links, "branchvalues": "total", "maxdepth": 3, "textinfo": "label+percent root",
        "marker": {"colors": boxes.colours, "line": {"width": 1}, **(AGES if before is None else GROWN)},
    }  # fmt: skip
    colour = (
        f"the age of most of its bytes, since the {event}" if before is None else f"its growth since {drawing.since}"
    )
    label = f"What {shown(place.path)} holds: each box a directory, its area its {drawing.area}, its colour {colour}"
    return Plot("treemap", label, {"data": [trace], "layout": {"margin": {"t": 8, "l": 8, "r": 8, "b": 8}}})


PALETTE = ("#2c7fb8", "#41a6c4", "#63c3bf", "#8fd6b0", "#c7e9a8", "#f3e79b", "#f7c26b", "#ec8f4e", "#d0583f")
"""A colour for each age, from the youngest to the oldest."""

AGES = {
    "cmin": -0.5,
    "cmax": len(PALETTE) - 0.5,
    "colorscale": [
        [(number + edge) / len(PALETTE), colour] for number, colour in enumerate(PALETTE) for edge in (0, 1)
    ],
    "colorbar": {"tickvals": list(range(len(PALETTE))), "ticktext": [age_name(age) for age in range(len(PALETTE))]},
}
GROWN = {"colorscale": "RdBu", "cmid": 0, "colorbar": {"title": {"text": "growth in bytes"}, "exponentformat": "SI"}}
