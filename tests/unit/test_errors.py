"""The tree of errors in the documentation is the tree of the classes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import lurge
from lurge import errors
from lurge.errors import LurgeError

PAGE = Path(lurge.__file__).parent.parent / "docs" / "errors.md"
ROW = re.compile(r"(?P<branches>[ │├└─]*)(?P<name>[A-Z]\w+) +(?P<status>\d) +(?P<meaning>\S.*)")

Row = tuple[str, str | None, int]
"""An error's name, the name of the one above it, and its exit status."""


def drawn(text: str) -> list[Row]:
    """The rows of a drawn tree, in its order. A level is indented by four columns."""
    rows = []
    above: list[tuple[int, str]] = []
    for match in filter(None, map(ROW.fullmatch, text.splitlines())):
        indent = len(match["branches"])
        above = [(other, name) for other, name in above if other < indent]
        rows.append((match["name"], above[-1][1] if above else None, int(match["status"])))
        above.append((indent, match["name"]))
    return rows


def classes(error: type[LurgeError] = LurgeError, above: str | None = None) -> list[Row]:
    """The classes below an error, each followed by those below it, in the order of their definition."""
    rows = [(error.__name__, above, error.exit_status)]
    for below in error.__subclasses__():
        if below.__module__ == errors.__name__:
            rows += classes(below, error.__name__)
    return rows


@pytest.mark.parametrize("text", [errors.__doc__, PAGE.read_text(encoding="utf-8")], ids=["errors.py", "errors.md"])
def test_the_drawn_tree_of_errors_is_the_classes(text: str) -> None:
    assert drawn(text) == classes()


@pytest.mark.parametrize("name", [name for name, _, _ in classes()])
def test_the_page_says_what_to_do_about_each_error(name: str) -> None:
    assert re.search(rf"^\| `{name}` \| [^|]+\. \| [^|]+\. \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def test_every_error_of_the_module_is_in_the_tree() -> None:
    defined = {name for name, error in vars(errors).items() if isinstance(error, type) and issubclass(error, Exception)}
    assert defined == {name for name, _, _ in classes()}
