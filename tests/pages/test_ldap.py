"""Signing in with a password that a real LDAP server checks; sessions and how they end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from lurge.enrich.membership import groups_in_ldap
from lurge.view import access
from tests.pages.world import MEMBER, OWN, THEIRS, app_from, client_of, serving
from tests.services.slapd import GROUPS, PEOPLE, Entry, Slapd, group, person
from tests.site import Site

PASSWORD = "p4ss: wörd, =+*()\\"
STRANGE = "o,m*)(uid=a"


def account(uid: str, dn: str | None = None, gid: int = 1) -> Entry:
    """A person with a password. dn: how the name is written in a DN."""
    name, attributes = person(uid, 1000 + len(uid), "Somebody")
    given = {**attributes, "userPassword": [PASSWORD], "gidNumber": [str(gid)]}
    return (f"uid={dn},{PEOPLE}" if dn else name), given


def members(name: str, gid: int, *users: str) -> Entry:
    dn, attributes = group(name, gid)
    return dn, {**attributes, "memberUid": users}


@pytest.fixture(scope="module")
def slapd() -> Iterator[Slapd]:
    entries = [
        account(MEMBER), account("boris"), account("carl", gid=11), account(STRANGE, r"o\,m*)(uid\3da"),
        members(OWN, 10, MEMBER, STRANGE), members(THEIRS.group, 11, "boris"),
        # Two gids of one name, of which a report stores the second as `twin (31)`; and two names of one gid.
        (f"ou=more,{GROUPS}", {"objectClass": ["organizationalUnit"], "ou": ["more"]}),
        members("twin", 30, "boris"),
        (f"cn=twin,ou=more,{GROUPS}", {**members("twin", 31, MEMBER)[1]}),
        members("bbb", 40, MEMBER), members("aaa", 40, "boris"),
    ]  # fmt: skip
    server = Slapd(entries)
    yield server
    server.remove()


def configured(world: Site, server: Slapd, name: str, more: str = "") -> Path:
    identity = (
        f'[identity]\nprovider = "ldap"\n[identity.ldap]\nurl = "ldap://127.0.0.1:{server.port}"\ntimeout = 2\n'
        f'group_base = "{GROUPS}"\npeople_base = "{PEOPLE}"'
    )
    return serving(world, name, f'access = "ldap"\nadmins = ["carl"]\n{more}', identity)


@pytest.fixture
def pages(world: Site, slapd: Slapd) -> FastAPI:
    return app_from(configured(world, slapd, "ldap"))


@pytest.fixture
def client(pages: FastAPI) -> TestClient:
    return client_of(pages)


def sign_in(client: TestClient, user: str, password: str = PASSWORD, **more: object) -> int:
    answer = client.post("/signin", data={"user": user, "password": password}, **more)  # type: ignore[arg-type]
    return int(answer.status_code)


def groups_seen(client: TestClient) -> list[str]:
    answer = client.get("/api/groups?sort=group")
    assert answer.status_code == 200, answer.text
    return [row["group"] for row in answer.json()["tables"]["groups"]["rows"]]


def test_nobody_sees_a_page_before_signing_in(client: TestClient) -> None:
    for route in ("/", "/groups", "/group?name=alpharius", "/tree", "/jobs", "/nowhere?x=1"):
        answer = client.get(route)
        assert (answer.status_code, answer.headers.get("location")) in ((303, "/signin"), (404, None)), route
    for route in ("/api/groups", "/api/groups.csv", "/api/groups.parquet", "/api/jobs", "/api/tree"):
        assert client.get(route).status_code == 401, route
    assert "Password" in client.get("/signin").text


@pytest.mark.parametrize("user", [MEMBER, STRANGE])
def test_the_right_password_opens_the_groups_of_a_person(client: TestClient, user: str) -> None:
    assert sign_in(client, user) == 303
    assert groups_seen(client) == [OWN]


def test_an_administrator_sees_all_groups(client: TestClient) -> None:
    assert sign_in(client, "carl") == 303
    assert groups_seen(client) == ["0", OWN, THEIRS.group]


@pytest.mark.parametrize(
    ("user", "password"),
    [
        (MEMBER, "wrong"), (MEMBER, ""), (MEMBER, "\0"), (MEMBER, PASSWORD + "\0"), ("", PASSWORD), ("", ""),
        ("*", PASSWORD), (f"{MEMBER},ou=people", PASSWORD), (f"boris,{PEOPLE}", PASSWORD), ("alice)(uid=*", PASSWORD),
        ("al*", PASSWORD), (f"{MEMBER}\0", PASSWORD), ("x+uid=alice", PASSWORD), ("\\61lice", PASSWORD),
        ("#616c", PASSWORD), ("{user}", PASSWORD), ("\n", PASSWORD), ("\U0001f600", "x"),
    ],
)  # fmt: skip
def test_anything_else_opens_nothing(client: TestClient, user: str, password: str) -> None:
    assert sign_in(client, user, password) == 401
    assert client.get("/api/groups").status_code == 401


def test_a_name_is_refused_after_five_failures_even_with_its_password(client: TestClient) -> None:
    for user in (MEMBER, "Alice", " alice", "ALICE ", MEMBER):
        assert sign_in(client, user, "wrong") == 401
    assert sign_in(client, MEMBER) == 429
    assert sign_in(client, "boris") == 303


def test_a_success_does_not_allow_more_attempts_on_other_names(client: TestClient) -> None:
    statuses = []
    for number in range(60):
        statuses.append(sign_in(client, f"nobody{number}", "wrong"))
        if number % 4 == 0:
            sign_in(client, "boris")
    assert statuses.count(401) == 50
    assert statuses[50:] == [429] * 10


def test_attempts_at_once_are_counted(pages: FastAPI) -> None:
    statuses: list[int] = []
    gate = threading.Barrier(20)

    with client_of(pages) as client:

        def attempt() -> None:
            gate.wait()
            statuses.append(sign_in(client, MEMBER, "wrong"))

        threads = [threading.Thread(target=attempt) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(statuses) == [401] * 5 + [429] * 15


def test_failures_are_forgotten_after_a_while(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        sign_in(client, MEMBER, "wrong")
    assert sign_in(client, MEMBER) == 429
    monkeypatch.setattr(access, "FAILURE_SECONDS", -1)
    assert sign_in(client, MEMBER) == 303


def test_signing_out_ends_the_session_for_copies_of_its_cookie(pages: FastAPI) -> None:
    client, thief = client_of(pages), client_of(pages)
    sign_in(client, MEMBER)
    thief.cookies.set("lurge", client.cookies["lurge"], domain="localhost.local")
    assert groups_seen(thief) == [OWN]
    assert "signed out" in client.post("/signout").text
    assert client.get("/api/groups").status_code == 401
    assert thief.get("/api/groups").status_code == 401


def test_signing_in_again_begins_another_session(client: TestClient) -> None:
    sign_in(client, MEMBER)
    first = client.cookies["lurge"]
    sign_in(client, "boris")
    assert client.cookies["lurge"] != first
    assert groups_seen(client) == [THEIRS.group]


def test_a_session_ends_after_its_minutes(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    sign_in(client, MEMBER)
    now = access.time.time()
    monkeypatch.setattr(access.time, "time", lambda: now + 480 * 60 - 1)
    assert groups_seen(client) == [OWN]
    monkeypatch.setattr(access.time, "time", lambda: now + 480 * 60 + 1)
    assert client.get("/api/groups").status_code == 401


def test_a_cookie_of_another_server_or_a_changed_one_is_nobody(world: Site, slapd: Slapd, client: TestClient) -> None:
    sign_in(client, MEMBER)
    cookie = client.cookies["lurge"]
    body, _, signature = cookie.partition(".")
    other = client_of(app_from(configured(world, slapd, "other")))
    for value, one in ((cookie, other), (f"A{body[1:]}.{signature}", client), ("", client), ("x" * 5000, client)):
        one.cookies.clear()
        assert one.get("/api/groups", headers={"Cookie": f"lurge={value}"}).status_code == 401


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(world: Site, slapd: Slapd, client: TestClient) -> None:
    data = {"user": MEMBER, "password": PASSWORD}
    morsel = SimpleCookie(client.post("/signin", data=data).headers["set-cookie"])["lurge"]
    assert (morsel["httponly"], morsel["samesite"], morsel["path"], morsel["max-age"]) == (True, "lax", "/", "28800")
    file = configured(world, slapd, "https", 'address = "https://storage.example.org/lurge"')
    outside = client_of(app_from(file), base_url="https://storage.example.org")
    morsel = SimpleCookie(outside.post("/signin", data=data).headers["set-cookie"])["lurge"]
    assert (morsel["secure"], morsel["path"]) == (True, "/lurge")
    assert PASSWORD not in str(morsel)


@pytest.mark.parametrize(
    "origin", ["https://evil.example.org", "null", "http://localhost.evil.org", "http://localhost:1"]
)
def test_a_form_of_another_site_is_refused(client: TestClient, origin: str) -> None:
    assert sign_in(client, MEMBER, headers={"Origin": origin}) == 403
    assert sign_in(client, MEMBER, headers={"Origin": "http://localhost"}) == 303
    assert client.post("/signout", headers={"Origin": origin}).status_code == 403
    assert groups_seen(client) == [OWN]


def test_a_form_through_a_proxy_that_changes_the_host_is_taken(world: Site, slapd: Slapd) -> None:
    file = configured(world, slapd, "inner", 'address = "https://storage.example.org/lurge"')
    client = client_of(app_from(file), base_url="http://127.0.0.1:8080")
    assert sign_in(client, MEMBER, headers={"Origin": "https://storage.example.org"}) == 303
    assert sign_in(client, MEMBER, headers={"Origin": "https://evil.example.org"}) == 403


def test_a_form_that_is_too_long_or_no_form_is_refused(client: TestClient) -> None:
    assert sign_in(client, "a" * 2000) == 413
    assert client.post("/signin", content=iter([b"user=alice&password=x"])).status_code == 411
    assert client.post("/signin", content=b"x", headers={"Content-Length": "abc"}).status_code == 411
    multipart = {"Content-Type": "multipart/form-data"}
    assert client.post("/signin", content=b"x", headers=multipart).status_code == 400
    assert client.post("/signin", content=b"", headers={"Content-Length": "0"}).status_code == 401


def test_a_server_that_is_away_signs_nobody_in_and_counts_no_failure(world: Site) -> None:
    server = Slapd([account(MEMBER), members(OWN, 10, MEMBER)])
    try:
        client = client_of(app_from(configured(world, server, "away")))
        server.pause()
        for _ in range(2):
            assert sign_in(client, MEMBER) == 503
        server.go_on()
        server.kill()
        for _ in range(5):
            assert sign_in(client, MEMBER) == 503
        assert client.get("/api/groups").status_code == 401
        server.start()
        assert sign_in(client, MEMBER) == 303
    finally:
        server.remove()


def test_groups_have_the_names_under_which_reports_store_them(slapd: Slapd) -> None:
    config = slapd.config()
    assert groups_in_ldap(config, MEMBER) == {OWN, "twin (31)", "aaa"}
    assert groups_in_ldap(config, "boris") == {THEIRS.group, "twin", "aaa"}
    assert groups_in_ldap(config, STRANGE) == {OWN}
    assert groups_in_ldap(config, "carl") == {THEIRS.group}
    assert groups_in_ldap(config, "*") == groups_in_ldap(config, "nobody") == frozenset()
