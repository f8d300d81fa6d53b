"""Every page in a browser, with hostile names in all that it shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from lurge.view.site import PAGES
from tests.browser import world
from tests.browser.server import shape, status_of

SAFE = """() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const ours = ["/plotly.js", "/static/plots.js"];
  return [
    ...(window.hacked === undefined ? [] : [`a name ran as a script: ${window.hacked}`]),
    ...all("script:not([type='application/json'])").filter((script) => !ours.includes(new URL(script.src).pathname)),
    ...all("img, iframe, object, embed, form:not([action^='/']), base, i, b"),
    ...all("*").filter((element) => [...element.attributes].some((one) => one.name.startsWith("on"))),
    ...all("a").filter((link) => link.origin !== location.origin),
  ].map((found) => found.outerHTML ?? found);
}"""
WIDE = "[document.documentElement.scrollWidth, innerWidth]"
FOLLOWS = "() => Math.abs(document.querySelector('.main-svg').clientWidth - innerWidth) < 200"
INVISIBLE = "\u202e\u202d\u2066\u2067\u2069\x1b"

MORE = (
    "/search",
    f"/search?q={world.IMAGE[2:8]}",
    f"/tree?volume={world.VOLUME}&since=2024-01-30&older=30&age=atime&area=records",
    f"/group?name={world.RIGHT_TO_LEFT}",
    "/directories?page=7",
    "/users?user=nobody+matches",
)
"""Pages to which no link leads."""


def faults(visit: Any) -> list[str]:
    """Names that became part of the page, what is wider than the window, and rules that are broken."""
    page = visit.page
    found = [f"{page.url[-80:]}: unsafe: {element}" for element in page.evaluate(SAFE)]
    width, window = page.evaluate(WIDE)
    if width > window:
        found.append(f"{page.url[-80:]} is {width} wide in a window of {window}")
    if invisible := set(page.inner_text("body")) & set(INVISIBLE):
        found.append(f"{page.url[-80:]} has {invisible!r}")
    return found + visit.broken_rules()


def test_links_lead_to_every_page(addresses: list[str]) -> None:
    assert {urlsplit(address).path for address in addresses} == {page.path for page in PAGES} - {"/search"}


@pytest.mark.parametrize(("scheme", "width"), [("light", 1600), ("dark", 380)])
def test_every_page_is_sound(addresses: list[str], visit: Callable[..., Any], scheme: str, width: int) -> None:
    """In the colours in which it opens, and in the others after a switch."""
    found: list[str] = []
    with visit(width, scheme) as one:
        for address in [*addresses, *MORE]:
            one.go(address)
            found += faults(one)
            one.page.emulate_media(color_scheme={"light": "dark", "dark": "light"}[scheme])
            one.drawn()
            found += faults(one)
            one.page.emulate_media(color_scheme=scheme)
    assert found == []


def test_a_page_follows_its_window(visit: Callable[..., Any]) -> None:
    with visit() as one:
        one.go("/groups")
        for width in (380, 1600):
            one.page.set_viewport_size({"width": width, "height": 900})
            assert faults(one) == []
            one.page.wait_for_function(FOLLOWS)


def test_a_treemap_has_the_width_of_a_phone(visit: Callable[..., Any]) -> None:
    with visit(380) as one:
        one.go(f"/tree?volume={world.VOLUME}")
        assert one.page.evaluate("document.querySelector('.treemaplayer').getBoundingClientRect().width") > 280


def test_every_link_leads_somewhere(links: dict[str, list[str]]) -> None:
    """Also to JSON, CSV and Parquet: one of each shape that no crawl followed."""
    left = {shape(target): target for targets in links.values() for target in targets if target not in links}
    assert len(left) > 20
    assert {target: status for target in left.values() if (status := status_of(target)) != 200} == {}


def test_names_are_shown_as_they_are_or_escaped(visit: Callable[..., Any]) -> None:
    with visit() as one:
        one.go("/groups?rows=100")
        text = one.page.inner_text("main")
        for name in (world.SCRIPT, world.IMAGE, world.QUOTES, world.VOLUME, "\\u202egpj.exe\\u2066", "long-xxxx"):
            assert name in text
        one.go("/vault?rows=100")
        text = one.page.inner_text("main")
        for name in ("new\\x0aline\\x0d\\x09", "caf\\xe9 \\xff\\xfe", "\\x1b[31m%s %2e%2e", "\\u202egpj.exe"):
            assert name in text


@pytest.mark.parametrize("path", ["/nothing", "/group?name=%3Cscript%3E", "/groups?older=%3Cimg%20src=x%3E"])
def test_an_error_is_a_page_too(visit: Callable[..., Any], path: str) -> None:
    with visit(380, "dark") as one:
        answer = one.page.goto(one.served.rstrip("/") + path)
        assert answer.status in (400, 404)
        assert faults(one) == []
        one.page.get_by_role("link", name="To the overview").click()
        assert one.page.url == one.served
        # The browser itself reports the status of the first page.
        assert [complaint for complaint in one.complaints if "Failed to load resource" not in complaint] == []
        one.complaints.clear()
