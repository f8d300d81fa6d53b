"""Names in plots: plotly takes a text for a kind of HTML, with links and line breaks."""

from __future__ import annotations

from typing import Any

from lurge.display import display

TEXTS = frozenset({"labels", "name", "text"})
"""Keys of a figure whose values plotly shows."""


def escaped(part: Any, is_text: bool = False) -> Any:
    """A part of a figure with its texts escaped: plotly shows names as they are, without invisible characters."""
    if isinstance(part, dict):
        return {key: escaped(value, key in TEXTS) for key, value in part.items()}
    if isinstance(part, list) and (is_text or not {dict, list}.isdisjoint(map(type, part))):
        return [escaped(value, is_text) for value in part]
    if is_text and isinstance(part, str):
        return display(part).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return part
