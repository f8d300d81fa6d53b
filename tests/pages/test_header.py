"""Access by a header, which only a trusted proxy may send."""

from __future__ import annotations

import pytest
from fastapi import FastAPI

from lurge.errors import UsageError
from tests.pages.world import MEMBER, OWN, app_from, client_of, serving
from tests.site import Site

ROUTES = ("/", "/groups", "/api/groups", "/api/groups.csv", "/api/groups.parquet", "/tree", "/search?q=a", "/jobs")


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.2", "::2", "testclient"])
@pytest.mark.parametrize("route", ROUTES)
def test_a_header_from_elsewhere_is_refused(app: FastAPI, address: str, route: str) -> None:
    answer = client_of(app, MEMBER, (address, 1)).get(route)
    assert answer.status_code == 403
    assert OWN not in answer.text


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP"])
def test_an_address_in_a_header_is_not_believed(app: FastAPI, name: str) -> None:
    for value in ("127.0.0.1", "for=127.0.0.1", "127.0.0.1, 10.0.0.1"):
        assert client_of(app, MEMBER, ("10.0.0.1", 1)).get("/", headers={name: value}).status_code == 403


@pytest.mark.parametrize("names", [[], [b""], [b"  "], [b"alice", b"boris"], [b"alice", b"alice"]])
def test_exactly_one_name_is_needed(app: FastAPI, names: list[bytes]) -> None:
    headers = [(b"x-remote-user", name) for name in names]
    for route in ROUTES:
        answer = client_of(app).get(route, headers=headers)
        assert answer.status_code == 401, route
        assert OWN not in answer.text


@pytest.mark.parametrize("name", ["X_Remote_User", "Remote-User", "X-Remote-User-", "Authorization", "Cookie"])
def test_another_header_names_nobody(app: FastAPI, name: str) -> None:
    assert client_of(app).get("/", headers={name: MEMBER}).status_code == 401


def test_two_names_in_one_header_are_the_name_of_nobody(app: FastAPI) -> None:
    answer = client_of(app, f"{MEMBER}, boris").get("/api/groups")
    assert answer.json()["tables"]["groups"]["rows"] == []


def test_the_header_and_the_addresses_of_proxies_are_configured(world: Site) -> None:
    file = serving(world, "proxy", 'access = "header"\nuser_header = "OIDC-User"\ntrusted = ["10.0.0.1"]')
    app = app_from(file)
    headers = {"OIDC-User": MEMBER}
    answer = client_of(app, address=("10.0.0.1", 1)).get("/api/groups", headers=headers)
    assert [row["group"] for row in answer.json()["tables"]["groups"]["rows"]] == [OWN]
    assert client_of(app).get("/api/groups", headers=headers).status_code == 403
    assert client_of(app, MEMBER, ("10.0.0.1", 1)).get("/").status_code == 401


def test_a_server_that_could_show_nothing_to_anybody_does_not_start(world: Site) -> None:
    identity = '[identity]\nprovider = "files"\n[identity.files]\ngroups = "groups.tsv"\nusers = "users.tsv"'
    with pytest.raises(UsageError, match="members"):
        app_from(serving(world, "nobody", 'access = "header"', identity))
    with pytest.raises(UsageError, match=r"identity\.ldap"):
        app_from(serving(world, "no_ldap", 'access = "ldap"'))
