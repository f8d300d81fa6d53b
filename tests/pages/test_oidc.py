"""Signing in at an OpenID Connect provider, which runs as a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from starlette.testclient import TestClient

from lurge.config import load_config
from lurge.view.app import make_app
from tests.pages.world import MEMBER, OWN, THEIRS, client_of, serving
from tests.services.provider import CLIENT, FAULTS, SECRET, Provider
from tests.site import Site

ME = {"preferred_username": MEMBER}


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    running = Provider()
    yield running
    running.stop()


def pages(world: Site, provider: Provider, monkeypatch: pytest.MonkeyPatch, name: str, more: str = "", oidc: str = "",
          secret: str = SECRET) -> TestClient:  # fmt: skip
    monkeypatch.setenv("LURGE_OIDC_SECRET", secret)
    text = f'access = "oidc"\nadmins = ["carl"]\n{more}\n[serve.oidc]\nissuer = "{provider.issuer}"\n'
    file = serving(world, name, f'{text}client_id = "{CLIENT}"\n{oidc}')
    return client_of(make_app(load_config(file), f"secret of {name}"))


@pytest.fixture
def client(world: Site, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    return pages(world, provider, monkeypatch, "oidc")


def way(client: TestClient) -> str:
    """Begin to sign in, be sent back by the provider: the address to which the browser then goes."""
    answer = client.get("/signin")
    assert answer.status_code == 302, answer.text
    back = httpx.get(answer.headers["location"]).headers["location"]
    return str(back)


def sign_in(client: TestClient, back: str = "") -> httpx.Response:
    parts = urlsplit(back or way(client))
    return client.get(f"{parts.path}?{parts.query}")


def groups_seen(client: TestClient) -> Any:
    answer = client.get("/api/groups?sort=group")
    return [row["group"] for row in answer.json()["tables"]["groups"]["rows"]] if answer.is_success else None


def test_a_person_signs_in_and_out(client: TestClient, provider: Provider) -> None:
    provider.be(ME)
    assert client.get("/groups").headers["location"] == "/signin"
    answer = sign_in(client)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert groups_seen(client) == [OWN]
    cookie = client.cookies["lurge"]
    morsel = SimpleCookie(answer.headers["set-cookie"])["lurge"]
    assert (morsel["httponly"], morsel["samesite"]) == (True, "lax")
    assert "signed out" in client.post("/signout").text
    client.cookies.set("lurge", cookie, domain="localhost.local")
    assert groups_seen(client) is None


def test_the_request_has_state_nonce_and_a_hashed_verifier(client: TestClient, provider: Provider) -> None:
    asked = parse_qs(urlsplit(client.get("/signin").headers["location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["redirect_uri"] == ["http://localhost/signin/done"]
    assert all(len(asked[name][0]) > 15 for name in ("state", "nonce", "code_challenge"))
    again = parse_qs(urlsplit(client.get("/signin").headers["location"]).query)
    assert all(asked[name] != again[name] for name in ("state", "nonce", "code_challenge"))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_answer_of_the_provider_signs_nobody_in(client: TestClient, provider: Provider, fault: str) -> None:
    told = {"preferred_username": MEMBER}
    provider.be({} if fault == "subject" else ME, fault, told)
    answer = sign_in(client)
    assert answer.status_code == (503 if fault in ("error", "not json") else 401), answer.text
    assert groups_seen(client) is None
    assert SECRET not in answer.text


def test_a_wrong_state_or_a_used_code_is_refused(client: TestClient, provider: Provider) -> None:
    provider.be(ME)
    back = way(client)
    asked = dict(parse_qs(urlsplit(back).query))
    for changed in ({"state": "x"}, {"state": ""}, {"code": "x"}, {"code": ""}):
        given = {name: values[0] for name, values in asked.items()} | changed
        assert client.get(f"/signin/done?{urlencode(given)}").status_code == 401
    client.cookies.clear()
    assert sign_in(client, back).status_code == 401
    assert client.get("/signin/done").status_code == 401
    assert client.get("/signin/done?error=access_denied&error_description=%3Cb%3E").status_code == 401
    back = way(client)
    assert sign_in(client, back).status_code == 303
    assert sign_in(client, back).status_code == 401


def test_a_code_of_another_browser_signs_nobody_in(
    client: TestClient, world: Site, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state is that of the victim, the code that of the attacker: the verifier tells them apart."""
    provider.be({"preferred_username": "carl"})
    attacker = pages(world, provider, monkeypatch, "attacker")
    code = parse_qs(urlsplit(way(attacker)).query)["code"][0]
    state = parse_qs(urlsplit(way(client)).query)["state"][0]
    assert client.get(f"/signin/done?{urlencode({'code': code, 'state': state})}").status_code == 401
    assert sign_in(client, way(attacker)).status_code == 401


def test_the_provider_tells_groups(world: Site, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    client = pages(world, provider, monkeypatch, "groups", oidc='groups_claim = "groups"')
    for groups, seen in (
        ([THEIRS.group], [THEIRS.group]), ([OWN, THEIRS.group, "x"], [OWN, THEIRS.group]), ([], []), (OWN, []),
        ({OWN: 1}, []), ([[OWN], None, 10], []),
    ):  # fmt: skip
        provider.be({**ME, "groups": groups})
        assert sign_in(client).status_code == 303
        assert groups_seen(client) == seen, groups
    provider.be(ME)
    assert sign_in(client).status_code == 303
    assert groups_seen(client) == []


def test_claims_may_be_told_apart_from_the_token(
    world: Site, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = pages(world, provider, monkeypatch, "told", oidc='groups_claim = "groups"\nuser_claim = "nick"')
    provider.be({}, told={"nick": MEMBER, "groups": [OWN]})
    assert sign_in(client).status_code == 303
    assert groups_seen(client) == [OWN]


@pytest.mark.parametrize("name", [None, "", 5, ["carl"], {"carl": 1}])
def test_a_name_that_is_no_text_is_nobody(client: TestClient, provider: Provider, name: object) -> None:
    provider.be({"preferred_username": name})
    assert sign_in(client).status_code == 401


def test_an_administrator_sees_all(client: TestClient, provider: Provider) -> None:
    provider.be({"preferred_username": "carl"})
    sign_in(client)
    assert groups_seen(client) == ["0", OWN, THEIRS.group]


def test_a_wrong_secret_of_the_client_is_refused(
    world: Site, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.be(ME)
    assert sign_in(pages(world, provider, monkeypatch, "wrong", secret="wrong")).status_code == 401


def test_the_way_back_is_the_address_of_the_proxy(
    world: Site, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.be(ME)
    client = pages(world, provider, monkeypatch, "outside", more='address = "http://storage.example.org/lurge"')
    back = way(client)
    assert back.startswith("http://storage.example.org/lurge/signin/done?")
    answer = sign_in(client, back)
    assert (answer.status_code, answer.headers["location"]) == (303, "/lurge/")
    assert "path=/lurge;" in answer.headers["set-cookie"]


def test_a_provider_that_is_away_gives_a_page_that_says_so(world: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = Provider()
    try:
        provider.be(ME)
        client = pages(world, provider, monkeypatch, "away")
        provider.stop()
        assert client.get("/signin").status_code == 503
        provider.start()
        back = way(client)
        provider.stop()
        assert sign_in(client, back).status_code == 503
        assert groups_seen(client) is None
        provider.start()
        provider.be(ME)
        assert sign_in(client).status_code == 303
    finally:
        provider.stop()
