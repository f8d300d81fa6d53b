"""Pages below a path of a proxy, which it strips or not."""

from __future__ import annotations

import html
import re

import pytest
from fastapi import FastAPI

from lurge.view.site import PAGES
from tests.pages.world import MEMBER, OWN, app_from, client_of, serving
from tests.site import Site

PREFIX = "/apps/lurge"
OUTSIDE = f"https://storage.example.org{PREFIX}"


@pytest.fixture(scope="module")
def below(world: Site) -> FastAPI:
    return app_from(serving(world, "below", f'access = "header"\naddress = "{OUTSIDE}/"'))


@pytest.mark.parametrize("sent", ["", PREFIX])
@pytest.mark.parametrize("host", ["storage.example.org", "127.0.0.1:8080"])
def test_every_address_on_a_page_has_the_prefix(below: FastAPI, sent: str, host: str) -> None:
    """sent: what the proxy leaves in the path."""
    with client_of(below, MEMBER) as client:
        client.headers["Host"] = host
        given = {f"{page.path}?name={OWN}&volume=scratch101" for page in PAGES if page.name != "user"}
        loaded = set()
        for address in given:
            answer = client.get(sent + address)
            assert answer.status_code == (
                404 if address.startswith(("/job", "/work", "/buckets", "/ledger")) else 200
            ), (
                sent,
                address,
            )
            targets = {html.unescape(found) for found in re.findall(r'(?:href|src|action)="([^#"][^"]*)"', answer.text)}
            assert targets
            assert [target for target in targets if not target.startswith(f"{PREFIX}/")] == []
            loaded |= {target for target in targets if "sort=" not in target}
        for target in sorted(loaded):
            answer = client.get(sent + target.removeprefix(PREFIX))
            assert answer.status_code == 200, target


@pytest.mark.parametrize("sent", ["", PREFIX])
def test_the_api_has_the_prefix(below: FastAPI, sent: str) -> None:
    client = client_of(below, MEMBER)
    index = client.get(f"{sent}/api").json()
    assert all(view.startswith(f"{PREFIX}/api/") for view in index["views"])
    described = client.get(f"{sent}/api/openapi.json").json()
    assert described["servers"] == [{"url": PREFIX}]
    assert "/api/groups" in described["paths"]
    assert client.get(f"{sent}/api/nowhere").headers["content-type"] == "application/json"


def test_boxes_of_the_treemap_lead_below_the_address_of_the_first_page(below: FastAPI) -> None:
    text = client_of(below, MEMBER).get("/tree?volume=scratch101").text
    assert f'<a class="home" href="{PREFIX}/">' in text
    assert 'document.querySelector(".home")' in client_of(below).get("/static/plots.js").text


def test_the_first_page_is_there_without_a_slash_at_its_end(below: FastAPI) -> None:
    for path in (PREFIX, f"{PREFIX}/", "/"):
        assert "scratch101" in client_of(below, MEMBER).get(path).text


def test_a_path_that_only_begins_like_the_prefix_is_not_below_it(below: FastAPI) -> None:
    assert client_of(below, MEMBER).get(f"{PREFIX}groups").status_code == 404
    assert client_of(below, MEMBER).get(f"{PREFIX}{PREFIX}/groups").status_code == 404


def test_redirects_stay_below_the_prefix(below: FastAPI) -> None:
    for path in ("/groups/", f"{PREFIX}/groups/", f"{PREFIX}//evil.example.org/", f"{PREFIX}/%2f/evil.example.org"):
        answer = client_of(below, MEMBER).get(path)
        assert answer.status_code == 404, path
        assert "location" not in answer.headers
