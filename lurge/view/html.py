"""Views as HTML."""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from pydantic.fields import FieldInfo

from lurge.display import display
from lurge.model.sizes import human_size
from lurge.view.columns import LEVELS
from lurge.view.person import Person
from lurge.view.table import Column, Row, Table
from lurge.view.view import Asked, Page, View, address

SIZES_OF_PAGE = (10, 25, 50, 100)
MISSING = "–"
WORDS = {
    "level": {str(level): name for level, name in LEVELS.items()},
    "age": {"mtime": "last change", "atime": "last access"},
    "area": {"bytes": "size", "records": "number"},
}
"""Values of fields that are not words themselves, by field."""


@cache
def environment() -> Environment:
    """The templates. Everything is escaped."""
    made = Environment(loader=PackageLoader("lurge.view"), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    made.filters["text"] = display
    made.globals.update(shown=shown, exact=exact, kind_class=kind_class, cells=cells)
    return made


def shown(value: Any, kind: str) -> str:
    """A value for people."""
    if value is None or value == "":
        return MISSING
    if kind == "bytes":
        return human_size(int(value))
    if kind == "growth":
        sign = "-" if value < 0 else "+" if value else ""
        return f"{sign}{human_size(abs(int(value)))}"
    if kind == "share":
        return f"{value:.1%}"
    if kind in ("count", "days"):
        return f"{value:,}"
    if kind == "level":
        return LEVELS.get(value, str(value))
    if isinstance(value, date):
        return value.isoformat()
    return display(value)


def exact(value: Any, kind: str) -> str | None:
    """The exact value, where people see a rounded one."""
    if value is None or kind not in ("bytes", "growth", "share"):
        return None
    return f"{value:,} bytes" if kind != "share" else f"{value:.6%}"


def kind_class(column: Column) -> str:
    """The class of the cells of a column."""
    if column.kind == "text":
        return "name"
    return "number" if column.is_number and column.kind != "level" else "plain"


def level_of(row: Row, column: Column) -> int | None:
    """The level in whose colour a cell is shown; None for that of other text."""
    if column.kind == "level":
        return row.get(column.name)
    return column.level(row) if column.level else None


def percent(share: float) -> float:
    """The length of a bar."""
    return round(min(max(share, 0), 1) * 100, 2)


def cells(row: Row, columns: Sequence[Column], links: Links) -> Markup:
    """The cells of a row. A macro of the template would take most of the time of a page."""
    return Markup("".join(cell(row, column, links, number == 0) for number, column in enumerate(columns)))  # noqa: S704


def cell(row: Row, column: Column, links: Links, is_head: bool) -> str:
    """A cell: the first of a row is its head."""
    value = row.get(column.name)
    title, level = exact(value, column.kind), level_of(row, column)
    target = column.link(row) if column.link and value not in (None, "") else None
    text = escape(shown(value, column.kind))
    link = f'<a href="{escape(links.to(target))}">{text}</a>' if target else f"<span>{text}</span>"
    bar = ""
    if column.kind == "share" and value is not None:
        bar = f'<svg class="bar" aria-hidden="true"><rect width="{percent(value)}%" height="100%"/></svg>'
    named = f"{kind_class(column)} level{level}" if level else kind_class(column)
    told = f' title="{escape(title)}"' if title else ""
    tag, scope = ("th", ' scope="row"') if is_head else ("td", "")
    return f'<{tag}{scope} class="{named}"{told}>{link}{bar}</{tag}>'


@dataclass(frozen=True)
class Input:
    """An element of a form. options: the values to choose from, and their words; empty for a free text."""

    name: str
    label: str
    help: str
    value: Any
    kind: str
    options: Mapping[str, str]


def inputs(page: Page[Any], asked: Asked, choices: Mapping[str, Sequence[str]]) -> list[Input]:
    """The form of a page, with the values that were asked for. Its other parameters are `kept`."""
    made = []
    for name in page.form:
        field = page.asked.model_fields[name]
        value = getattr(asked, name)
        options = [str(option) for option in literal_of(field)] or ["", *choices.get(name, ())]
        kind = "date" if name in ("since", "at") else "text"
        label = field.title or name.capitalize()
        text = "" if value is None else str(value)
        if text and len(options) > 1 and text not in options:
            options.append(text)
        words = {option: word_of(name, option) for option in options} if len(options) > 1 else {}
        made.append(Input(name, label, field.description or "", text, kind, words))
    return made


def word_of(name: str, option: str) -> str:
    """A value of a field for people."""
    return WORDS.get(name, {}).get(option) or display(option or "all")


def kept(page: Page[Any], asked: Asked) -> dict[str, Any]:
    """The parameters that a form does not change."""
    return {name: value for name, value in asked.chosen().items() if name not in (*page.form, "page")}


def filtered(form: Sequence[Input], asked: Asked) -> list[str]:
    """The names of the filters that are set."""
    chosen = asked.chosen()
    return [one.label for one in form if chosen.get(one.name) not in (None, "")]


def literal_of(field: FieldInfo) -> tuple[Any, ...]:
    """The values of a field that is one of a few."""
    return typing.get_args(field.annotation) if typing.get_origin(field.annotation) is Literal else ()


class Links:
    """The addresses of a page. root: the path below which a proxy shows all of them."""

    def __init__(self, root: str, page: Page[Any], asked: Asked) -> None:
        self._root, self._page, self._asked = root, page, asked

    def to(self, target: str) -> str:
        """An address of this site."""
        return self._root + target

    def same(self, **changes: Any) -> str:
        """This page with some parameters changed."""
        return self.to(address(self._page.path, **{**self._asked.chosen(), **changes}))

    def cleared(self) -> str:
        """This page without filters."""
        return self.to(address(self._page.path, **kept(self._page, self._asked)))

    def sorted_by(self, column: Column) -> str:
        """This page sorted by a column; numbers begin with the largest, and a second time turns the order round."""
        first, second = (f"-{column.name}", column.name) if column.is_number else (column.name, f"-{column.name}")
        return self.same(sort=second if self._asked.sort == first else first, page=None)

    def download(self, table: Table, form: str) -> str:
        """The rows of a table as a file."""
        chosen = {name: value for name, value in self._asked.chosen().items() if name not in ("page", "rows")}
        path = "/api" + ("/overview" if self._page.path == "/" else self._page.path)
        return self.to(address(f"{path}.{form}", table=table.name, **chosen))

    def json(self) -> str:
        """The view for programs."""
        path = "/api" + ("/overview" if self._page.path == "/" else self._page.path)
        return self.to(address(path, **self._asked.chosen()))


@dataclass(frozen=True)
class Frame:
    """What surrounds a view on its page. root: the path below which a proxy shows all pages. token: for forms."""

    title: str
    root: str
    person: Person
    menu: Sequence[Page[Any]]
    can_sign_out: bool
    token: str


def render(frame: Frame, page: Page[Any], asked: Asked, view: View) -> str:
    """A whole page."""
    form = inputs(page, asked, view.choices) if view.has_form else []
    return environment().get_template(page.template).render(
        site_title=frame.title, page=page, asked=asked, view=view, person=frame.person, menu=frame.menu,
        links=Links(frame.root, page, asked), inputs=form, filtered=filtered(form, asked), kept=kept(page, asked),
        sizes=SIZES_OF_PAGE, can_sign_out=frame.can_sign_out, token=frame.token,
    )  # fmt: skip


def render_plain(template: str, root: str, **values: Any) -> str:
    """A page that is no view: an error, or the form to sign in."""
    return environment().get_template(template).render(root=root, **values)
