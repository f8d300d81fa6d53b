"""Views: what a page shows, and how it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lurge.view.figures import escaped
from lurge.view.table import MOST_ROWS, Kind, Order, Table

if TYPE_CHECKING:
    from lurge.view.context import Context


class Asked(BaseModel):
    """The parameters that every view has. Empty texts are as good as none."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    sort: str = Field("", description="Name of the column to sort by; with a minus in front, the largest first.")
    page: int = Field(1, ge=1, le=10**9, description="Number of the page.")
    rows: int = Field(25, ge=1, le=MOST_ROWS, description="Rows of a page.")

    @model_validator(mode="before")
    @classmethod
    def _no_nul(cls, given: Any) -> Any:
        # PostgreSQL takes no text with it.
        if isinstance(given, dict) and any(isinstance(value, str) and "\0" in value for value in given.values()):
            raise ValueError("no parameter may hold the character NUL")
        return given

    @property
    def order(self) -> Order:
        return Order(self.sort, self.page, self.rows)

    def chosen(self) -> dict[str, Any]:
        """The parameters that are not their defaults."""
        return self.model_dump(exclude_defaults=True)


@dataclass(frozen=True)
class Fact:
    """A figure with its name. link: what it is made of."""

    name: str
    value: Any
    kind: Kind = "text"
    link: str | None = None
    level: int = 0


@dataclass(frozen=True)
class Plot:
    """A plot. figure: as plotly.js takes it, without colours and fonts. label: for people who do not see it."""

    name: str
    label: str
    figure: Mapping[str, Any]

    @property
    def escaped(self) -> Any:
        """The figure whose names plotly shows as they are."""
        return escaped(self.figure)


@dataclass(frozen=True)
class Action:
    """A button, which sends a form with some fields."""

    label: str
    path: str
    fields: Mapping[str, str]


@dataclass
class View:
    """What a page shows.

    sentences: what matters most, in words. crumbs: (name, address) of what is above. choices: the values of filters
    that people choose from. has_form: whether the filters of the page change anything here. actions: buttons.
    """

    title: str
    sentences: list[str] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    plots: list[Plot] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    crumbs: list[tuple[str, str]] = field(default_factory=list)
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)
    has_form: bool = True
    actions: list[Action] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The view for programs."""
        from lurge.view.table import plain

        return {
            "title": self.title,
            "sentences": self.sentences,
            "facts": {fact.name: plain(fact.value) for fact in self.facts},
            "tables": {table.name: table.as_json() for table in self.tables},
            "plots": {plot.name: plot.escaped for plot in self.plots},
        }


A = TypeVar("A", bound=Asked)


@dataclass(frozen=True)
class Page(Generic[A]):
    """A view with its address. menu: its name in the menu, if it is there. form: the parameters that people can set."""

    path: str
    name: str
    asked: type[A]
    make: Callable[[Context, A], View]
    menu: str = ""
    form: Sequence[str] = ()
    template: str = "page.html"


def or_none(value: Any) -> Any:
    """None for an empty text, as a form sends it for what is not filled in."""
    return None if value == "" else value


def address(page: str, /, **parameters: Any) -> str:
    """The address of a view."""
    given = {name: value for name, value in parameters.items() if value not in (None, "")}
    return f"{page}?{urlencode(given, doseq=True, errors='backslashreplace')}" if given else page
