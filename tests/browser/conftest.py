"""A served site with hostile names, a browser, and pages whose every complaint is noted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.browser import world
from tests.browser.server import crawl, serving, shape
from tests.services import need
from tests.site import run_lurge

try:
    from playwright.sync_api import Browser, Page, sync_playwright
except ImportError:
    sync_playwright = None  # type: ignore[assignment]

CHROMIUM = Path("/usr/bin/chromium")
MOST_PAGES = 120
SIGN_IN = """
[serve]
access = "ldap"
[identity]
provider = "ldap"
[identity.ldap]
url = "ldap://127.0.0.1:9"
group_base = "ou=group"
people_base = "ou=people"
"""
DRAWN = """() => [...document.querySelectorAll('.plot')].every((figure) => {
  const text = figure.querySelector('.main-svg text');
  const isThemed = () => getComputedStyle(text).fill === getComputedStyle(document.body).color;
  return text && (figure.classList.contains('treemap') || isThemed());
})"""
RULES = (Path(__file__).parent / "rules.js").read_text()


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the overview of a served site."""
    need(None if sync_playwright else "playwright is not installed (PyPI: playwright)")
    need(None if CHROMIUM.exists() else "chromium is not installed (Debian: chromium)")
    folder = tmp_path_factory.mktemp("browser")
    site = world.build(folder / "site")
    done = run_lurge("backfill", "--config", str(site.config))
    assert done.returncode == 0, done.stderr
    # The volume that has no dump: its job has an error to show.
    site.run(status=3)
    works = str(site.folder / "works")
    done = run_lurge("works", "gather", "--state", "scanned", works, "--config", str(site.config))
    assert done.returncode == 0, done.stderr
    done = run_lurge("lake", "load", str(site.folder / "inventories"), "--config", str(site.config))
    assert done.returncode == 0, done.stderr
    done = run_lurge("ledger", "apply", str(site.folder / "events"), "--config", str(site.config))
    assert done.returncode == 3, done.stderr
    with serving(site.config, folder / "serve.log") as address:
        yield f"{address}/"


@pytest.fixture(scope="package")
def signed_out(served: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the overview of a site at which people sign in."""
    folder = tmp_path_factory.mktemp("signed_out")
    config = folder / "lurge.toml"
    config.write_text(SIGN_IN)
    with serving(config, folder / "serve.log") as address:
        yield f"{address}/"


@pytest.fixture(scope="package")
def links(served: str) -> dict[str, list[str]]:
    """The pages that are reached from the overview, and the links of each."""
    return crawl(served, MOST_PAGES)


@pytest.fixture(scope="package")
def addresses(links: dict[str, list[str]]) -> list[str]:
    """A page of each shape: a path, and the names of its parameters."""
    return list({shape(address): address for address in reversed(links)}.values())[::-1]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=str(CHROMIUM))
        yield running
        running.close()


class Visit:
    """A page of a browser. complaints: errors of the console and of scripts, dialogs, requests to other servers."""

    def __init__(self, page: Page, served: str) -> None:
        self.page, self.served = page, served
        self.complaints: list[str] = []
        page.on("console", lambda message: self.note("console", message.text, message.type == "error"))
        page.on("pageerror", lambda error: self.note("script", str(error)))
        page.on("dialog", lambda dialog: self.note("dialog", dialog.message))
        page.on("request", lambda request: self.note("request", request.url, self.is_elsewhere(request.url)))

    def note(self, kind: str, text: str, counts: bool = True) -> None:
        if counts:
            self.complaints.append(f"{kind} at {self.page.url}: {text}")

    def is_elsewhere(self, url: str) -> bool:
        parts, own = urlsplit(url), urlsplit(self.served)
        return parts.scheme not in ("data", "blob") and parts[:2] != own[:2]

    def go(self, address: str) -> None:
        """Open a page of the site and wait for its plots; fails unless its status is 200."""
        answer = self.page.goto(self.served.rstrip("/") + address if address.startswith("/") else address)
        assert answer is not None
        assert answer.status == 200, address
        self.drawn()

    def drawn(self) -> None:
        """Wait until every figure is drawn in the colours of the page."""
        self.page.wait_for_function(DRAWN)

    def broken_rules(self) -> list[str]:
        """The rules of rules.js that the page breaks."""
        broken: list[str] = self.page.evaluate(RULES)
        return [f"{self.page.url[-80:]}: {rule}" for rule in broken]


@pytest.fixture
def visit(served: str, browser: Browser) -> Callable[..., Any]:
    """A function that makes a context manager of a Visit, which may have no complaint."""

    @contextmanager
    def opened(width: int = 1600, scheme: str = "light", **options: Any) -> Iterator[Visit]:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            **options,  # type: ignore[arg-type]
        )
        made = Visit(context.new_page(), served)
        yield made
        context.close()
        assert made.complaints == []

    return opened
