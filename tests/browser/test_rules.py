"""The rules of accessibility themselves: each finds what breaks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

BAD = """<!doctype html><html><head><title></title></head><body>
<h1>One</h1><h1>Two</h1><h3 id="twice">Three</h3><p id="twice" style="color: #999; background: #fff">grey</p>
<p style="background: #000"><span style="color: rgba(255, 255, 255, .3)">faint</span></p>
<main><input placeholder="name" style="height: 20px"><label for="nothing">name</label><button></button>
<a href="/"></a><div role="img"></div><table><tr><th></th></tr></table><p tabindex="1" aria-sort="up">first</p>
<div style="overflow-x: auto; width: 50px">a_very_long_word_that_scrolls</div>
<div role="region" aria-label="rows"></div><div role="region" aria-label="rows"></div></main>
<main></main><nav></nav><nav></nav>
</body></html>"""
RULES = (
    "the page has a language",
    "the page has a title",
    "the page has one h1",
    "the page has one main",
    "the h1 is in main",
    "headings skip no level",
    "an id is there once: twice",
    "for names an element",
    "a field has a label",
    "a link or button has a name: <button",
    "a link or button has a name: <a",
    "an image, region or navigation has a name",
    "each navigation has a name of its own",
    "each region has a name of its own",
    "a table has headings",
    "a table has a name",
    "a heading of a table has a scope",
    "a heading of a table has words",
    "aria-sort is known",
    "no element is before its turn",
    "a control is at least 24 pixels high and wide",
    "an element that scrolls takes the focus",
    "the contrast of text is at least 4.5, not 2.85: <p",
    "the contrast of text is at least 4.5, not 2.46: <span",
)


def test_each_rule_finds_what_breaks_it(visit: Callable[..., Any]) -> None:
    with visit() as one:
        one.page.set_content(BAD)
        broken = one.broken_rules()
    assert [rule for rule in RULES if not any(rule in line for line in broken)] == []
