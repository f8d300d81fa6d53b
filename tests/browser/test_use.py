"""Use without a mouse, without scripts, on paper, and with the buttons of the browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.browser import world

FOCUSED = """() => {
  const element = document.activeElement, box = element.getBoundingClientRect(), style = getComputedStyle(element);
  const isMarked = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  const isThere = box.width > 0 && box.height > 0 && box.right > 0 && box.bottom > 0 && box.top < innerHeight;
  const inside = element.tagName === "A" && element.closest("nav, thead, header, .crumbs, footer, .below");
  const tag = (one) => one?.tagName.toLowerCase() ?? "";
  return { what: tag(element), where: tag(inside || undefined), name: element.name ?? "",
    text: element.textContent.trim().slice(0, 40), isSeen: isMarked && isThere };
}"""


def tabbed(page: Any, most: int) -> list[dict[str, Any]]:
    """The elements that TAB reaches one after the other."""
    reached = []
    for _ in range(most):
        page.keyboard.press("Tab")
        reached.append(page.evaluate(FOCUSED))
        if reached[-1]["what"] == "body":
            return reached[:-1]
    return reached


def test_the_first_tab_skips_to_the_content(visit: Callable[..., Any]) -> None:
    with visit() as one:
        one.go("/groups")
        first = tabbed(one.page, 1)[0]
        assert first["text"] == "Skip to the content"
        assert first["isSeen"]
        one.page.keyboard.press("Enter")
        assert one.page.evaluate("document.activeElement.id") == "content"
        assert tabbed(one.page, 1)[0]["name"] == "group", "the next field is the first filter"


@pytest.mark.parametrize("width", [1600, 380])
def test_tab_reaches_everything_and_shows_where_it_is(visit: Callable[..., Any], width: int) -> None:
    with visit(width) as one:
        one.go("/groups")
        if width == 380:
            assert not one.page.get_by_label("Used at least").is_visible()
            one.page.locator("summary").focus()
            one.page.keyboard.press("Enter")
            assert one.page.get_by_label("Used at least").is_visible()
            one.page.locator(".skip").focus()
        reached = tabbed(one.page, 60)
        assert [element for element in reached if not element["isSeen"]] == []
        texts = [element["text"] for element in reached if element["where"] == "nav"]
        assert texts == [
            "Overview",
            "Groups",
            "Directories",
            "People",
            "Vault",
            "Tree",
            "Works",
            "Buckets",
            "Ledger",
            "Jobs",
        ]
        fields = [element["name"] for element in reached if element["what"] in ("input", "select")]
        assert fields == [
            "q", "group", "pi", "volume", "per", "level", "larger", "smaller", "older", "newer", "archived",
        ]  # fmt: skip
        assert [element["text"] for element in reached if element["what"] == "button"] == ["Search", "Show"]
        assert "Used" in [element["text"] for element in reached if element["where"] == "thead"]


def test_enter_filters_sorts_and_searches(visit: Callable[..., Any]) -> None:
    with visit() as one:
        page = one.page
        one.go("/groups")
        page.get_by_label("Group", exact=True).focus()
        page.keyboard.type("onerror")
        page.keyboard.press("Enter")
        page.wait_for_url("**/groups?*group=onerror*")
        assert page.locator("tbody tr").count() == 1
        page.get_by_role("link", name="Used").focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**sort=-used*")
        assert parse_qs(urlsplit(page.url).query)["group"] == ["onerror"], "sorting keeps the filter"
        assert page.locator("th[aria-sort=descending]").inner_text() == "Used"
        page.get_by_role("searchbox").focus()
        page.keyboard.type("gpj")
        page.keyboard.press("Enter")
        page.wait_for_url("**/search?q=gpj")
        assert "\\u202egpj.exe" in page.locator("tbody").inner_text()


def test_filters_keep_the_order_and_can_be_cleared(visit: Callable[..., Any]) -> None:
    with visit() as one:
        page = one.page
        one.go("/directories?sort=-used&rows=10")
        page.get_by_label("Group", exact=True).fill("script")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**group=script*")
        assert page.locator("th[aria-sort=descending]").inner_text() == "Used"
        page.get_by_role("link", name="Clear").click()
        page.wait_for_url("**/directories?sort=-used&rows=10")
        assert page.get_by_label("Group", exact=True).input_value() == ""


def test_filters_work_below_a_directory_whose_name_has_a_new_line(visit: Callable[..., Any]) -> None:
    with visit() as one:
        page = one.page
        one.go(f"/tree?volume={world.VOLUME}")
        page.get_by_role("link", name="teams/").click()
        page.get_by_role("link", name="new\\x0aline").click()
        title = page.locator("h1").inner_text()
        page.get_by_label("Older than, days").select_option("30")
        page.get_by_role("button", name="Show").click()
        page.wait_for_url("**older=30*")
        assert page.locator("h1").inner_text() == title
        assert "not changed for 30 days" in page.locator(".sentence").inner_text()
        page.get_by_role("link", name="Clear").click()
        page.wait_for_function("() => !location.search.includes('older')")
        assert page.locator("h1").inner_text() == title


def test_back_and_a_copied_address_give_the_same_state(visit: Callable[..., Any], served: str) -> None:
    with visit() as one:
        page = one.page
        one.go("/directories?group=script")
        page.get_by_role("link", name="Used").click()
        page.wait_for_url("**sort=-used*")
        page.get_by_role("link", name="Used").click()
        page.wait_for_url("**sort=used*")
        copied, rows = page.url, page.locator("tbody").inner_text()
        page.go_back()
        assert page.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
        page.go_back()
        assert page.url == f"{served}directories?group=script"
        assert page.locator("th[aria-sort]").count() == 0
        assert page.get_by_label("Group", exact=True).input_value() == "script"
    with visit() as other:
        other.go(copied)
        assert other.page.locator("tbody").inner_text() == rows


def test_a_link_of_a_table_that_cannot_be_sorted_is_not_there(visit: Callable[..., Any]) -> None:
    """Each link in a heading changes the order of its table."""
    with visit() as one:
        for address in ("/", "/group?name=" + world.SCRIPT):
            one.go(address)
            for link in one.page.locator("thead a").all():
                answer = one.page.request.get(one.served.rstrip("/") + str(link.get_attribute("href")))
                assert answer.text().count("aria-sort") == 1, link.inner_text()


def test_pages_have_their_tables_without_scripts(visit: Callable[..., Any], addresses: list[str]) -> None:
    with visit(java_script_enabled=False) as one:
        for address in {urlsplit(address).path: address for address in addresses}.values():
            assert one.page.goto(address).status == 200
            assert one.page.locator("table, .empty").count() > 0, address
            for canvas in one.page.locator(".canvas").all():
                assert canvas.bounding_box()["height"] == 0, "no empty space where a plot would be"


def test_paper_is_white_and_has_whole_tables(visit: Callable[..., Any]) -> None:
    with visit(scheme="dark") as one:
        one.go("/group?name=" + world.SCRIPT)
        one.page.emulate_media(media="print")
        assert one.page.evaluate("getComputedStyle(document.body).color") == "rgb(29, 35, 39)"
        texts = one.page.evaluate("[...document.querySelectorAll('.plot svg text')].map(t => getComputedStyle(t).fill)")
        assert set(texts) == {"rgb(29, 35, 39)"}
        assert not one.page.get_by_role("navigation", name="Pages").is_visible()
        assert one.page.get_by_role("table").first.is_visible()
        assert one.page.evaluate("getComputedStyle(document.querySelector('.scroll')).overflowX") == "visible"
        assert one.page.pdf()[:5] == b"%PDF-"


def test_people_sign_in_with_the_keyboard(visit: Callable[..., Any], signed_out: str) -> None:
    with visit(380, "dark") as one:
        one.served = signed_out
        one.go("/groups")
        assert one.page.url == f"{signed_out}signin"
        assert one.broken_rules() == []
        one.page.keyboard.type("name")
        assert [element["name"] for element in tabbed(one.page, 1)] == ["password"]
        one.page.keyboard.type("word")
        assert one.page.get_by_label("Name").input_value() == "name"
        with one.page.expect_navigation():
            one.page.keyboard.press("Enter")
        # No server is there to be asked; the browser reports the status, and nothing else.
        assert "Names of groups cannot be read." in one.page.inner_text("h1")
        assert [complaint for complaint in one.complaints if "503" not in complaint] == []
        one.complaints.clear()
