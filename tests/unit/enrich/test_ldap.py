"""Names from LDAP: against a real server, as real servers are."""

from __future__ import annotations

import gc
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

ldap3 = pytest.importorskip("ldap3", reason="ldap3 is not installed (lurge[ldap])")

from lurge.config.identity import IdentityConfig, LdapConfig
from lurge.config.secret import Secret
from lurge.enrich import ldap
from lurge.enrich.identity import TableIdentity, make_identity
from lurge.enrich.last_names import keep, recall
from lurge.enrich.ldap import Entry, comparable, name_groups, name_users, read_ldap
from lurge.errors import IdentityError
from lurge.model.names import Group
from tests.services.slapd import GROUPS, PEOPLE, ROOT, Slapd, group, person

Settings = TypeVar("Settings", IdentityConfig, LdapConfig)


def replace(config: Settings, **changes: object) -> Settings:
    return config.model_copy(update=changes)


BOSS = f"uid=boss,{PEOPLE}"


@pytest.fixture(scope="module")
def directory() -> Iterator[Slapd]:
    """More entries than an unpaged search gives, and every oddity."""
    entries = [
        person("boss", 1, "Ó Briain"),
        person("two", 2, "Zed", "Abel"),
        person("guest", None, "Guest"),
        *[person(f"u{number}", 10_000 + number, f"Name{number}") for number in range(1200)],
        person("same", 10_003, "Same"),
        *[group(f"g{number}", 20_000 + number, BOSS) for number in range(1100)],
        group("several", 5, f"uid=two,{PEOPLE}", BOSS),
        group("nobody", 6),
        group("stranger", 7, f"uid=gone,{PEOPLE}"),
        group("guests", 8, "UID=guest,  OU=People,DC=example,dc=ORG"),
        group("names", 9, names=["alias", "aaa"]),
        group("twice", 20_000),
        (f"cn=elsewhere,{GROUPS}", {"objectClass": ["referral", "extensibleObject"], "cn": ["elsewhere"],
                                    "ref": ["ldap://127.0.0.1:1/ou=group,dc=example,dc=com"]}),
    ]  # fmt: skip
    server = Slapd(entries)
    yield server
    server.remove()


@pytest.fixture(scope="module")
def private() -> Iterator[Slapd]:
    server = Slapd([person("boss", 1, "Boss"), group("ten", 10, BOSS)], anonymous=False)
    yield server
    server.remove()


def test_all_names_are_read_in_a_few_searches(
    directory: Slapd, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    searches = []
    original = ldap3.Connection.search

    def count(self: ldap3.Connection, *arguments: object, **named: object) -> object:
        searches.append(arguments[0])
        return original(self, *arguments, **named)

    monkeypatch.setattr(ldap3.Connection, "search", count)
    logging.getLogger("lurge").propagate = True
    groups, users = read_ldap(directory.config())
    assert len(groups) == 1100 + 5
    assert len(users) == 1202
    assert len(searches) < 12
    assert set(searches) == {GROUPS, PEOPLE}
    assert groups[20_500] == Group("g500", "Ó Briain")
    assert [groups[gid] for gid in (5, 6, 7, 8, 9)] == [
        Group("several", "Abel"),
        Group("nobody", None),
        Group("stranger", None),
        Group("guests", "Guest"),
        Group("names", None),
    ]
    assert groups[20_000] == Group("g0", "Ó Briain")
    assert (users[1], users[10_003], users[11_199]) == ("boss", "same", "u1199")
    said = caplog.text
    for problem in ("twice (20000, which is g0)", "u3 (10003, which is same)", "stranger", "1 referrals"):
        assert problem in said


@pytest.mark.parametrize("tls", ["", "ldaps", "starttls"])
@pytest.mark.parametrize("bound", [False, True])
def test_every_kind_of_connection_reads_names(directory: Slapd, private: Slapd, tls: str, bound: bool) -> None:
    groups, _ = read_ldap((private if bound else directory).config(tls, bound))
    assert groups[10 if bound else 6].name in ("ten", "nobody")


@pytest.mark.parametrize("tls", ["ldaps", "starttls"])
# ldap3 leaves a socket whose certificate it refuses to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_certificates_are_verified(directory: Slapd, tls: str) -> None:
    with pytest.raises(IdentityError, match="certificate"):
        read_ldap(directory.config(tls, trusted=False))
    named = directory.config(tls).url.replace("127.0.0.1", "localhost")
    with pytest.raises(IdentityError, match="localhost"):
        read_ldap(replace(directory.config(tls), url=named))
    gc.collect()


def test_a_refusal_of_the_server_is_named_without_the_password(private: Slapd, directory: Slapd) -> None:
    wrong = replace(private.config(bound=True), password=Secret("wrong"))
    with pytest.raises(IdentityError, match=r"cn=reader.*invalidCredentials") as refused:
        read_ldap(wrong)
    assert "wrong" not in str(refused.value)
    with pytest.raises(IdentityError, match="no password"):
        read_ldap(replace(wrong, password=None))
    with pytest.raises(IdentityError, match="noSuchObject|insufficientAccessRights"):
        read_ldap(private.config())
    with pytest.raises(IdentityError, match="ou=nowhere"):
        read_ldap(replace(directory.config(), group_base=f"ou=nowhere,{ROOT}"))
    with pytest.raises(IdentityError, match=r"search below.*LimitExceeded"):
        read_ldap(directory.config(page_size=5000))


def test_a_server_without_entries_is_an_error_and_takes_no_names_away(tmp_path: Path) -> None:
    """Success without an entry must not take everybody's name away, nor the last names."""
    server = Slapd([person("boss", 1, "Boss")])
    cache = tmp_path / "cache.json"
    keep(cache, server.config().url, {10: Group("ten", "Boss")}, {1: "boss"})
    with pytest.raises(IdentityError, match="no groups below"):
        read_ldap(server.config())
    config = IdentityConfig(provider="ldap", ldap=server.config(), cache=cache)
    assert make_identity(config).group(10) == Group("ten", "Boss")
    assert make_identity(config).group(10) == Group("ten", "Boss")
    server.remove()


def test_a_server_that_is_not_there_is_an_error() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"ldap://127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(IdentityError, match=url):
            read_ldap(LdapConfig(url=url, group_base=GROUPS, people_base=PEOPLE, timeout=2))


def test_a_server_that_hangs_is_an_error_in_time(private: Slapd) -> None:
    private.pause()
    started = time.monotonic()
    try:
        with pytest.raises(IdentityError):
            read_ldap(private.config(bound=True, timeout=1))
        assert time.monotonic() - started < LdapConfig.model_fields["timeout"].default
    finally:
        private.go_on()


def test_a_server_that_dies_while_reading_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Slapd([group("g", 1), *[person(f"u{number}", number, "X") for number in range(1500)]])
    original = ldap3.Connection.search
    pages = 0

    def kill(self: ldap3.Connection, *arguments: object, **named: object) -> object:
        nonlocal pages
        pages += 1
        if pages == 3:
            server.kill()
        return original(self, *arguments, **named)

    monkeypatch.setattr(ldap3.Connection, "search", kill)
    with pytest.raises(IdentityError):
        read_ldap(server.config(timeout=2))
    server.remove()


def test_the_last_names_are_used_when_the_server_fails(
    private: Slapd, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("lurge").propagate = True
    cache = tmp_path / "cache.json"
    config = IdentityConfig(provider="ldap", ldap=private.config(bound=True), cache=cache)
    assert make_identity(config).group(10) == Group("ten", "Boss")
    assert config.ldap
    gone = replace(config, ldap=replace(config.ldap, bind_dn="cn=nobody"))
    known = json.loads(cache.read_text())
    cache.write_text(json.dumps({**known, "written": "2024-01-01T00:00:00+00:00"}))
    assert make_identity(gone).group(10) == Group("ten", "Boss")
    assert make_identity(gone).user(1) == "boss"
    assert "days ago" in caplog.text
    with pytest.raises(IdentityError, match="invalid"):
        make_identity(replace(gone, on_failure="fail"))
    with pytest.raises(IdentityError, match="no names are kept"):
        make_identity(replace(gone, cache=tmp_path / "none"))
    elsewhere = replace(gone, ldap=replace(config.ldap, url="ldap://127.0.0.1:1"))
    with pytest.raises(IdentityError, match="holds names of"):
        make_identity(elsewhere)


def test_names_that_cannot_be_kept_fail_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    keep(tmp_path / "file" / "cache", "x", {}, {})


names = st.text(max_size=5)
numbers = st.integers(-5, 5)


@given(
    groups=st.dictionaries(numbers, st.builds(Group, names, st.none() | names)), users=st.dictionaries(numbers, names)
)
def test_kept_names_come_back(
    tmp_path_factory: pytest.TempPathFactory, groups: dict[int, Group], users: dict[int, str]
) -> None:
    cache = tmp_path_factory.mktemp("cache") / "names"
    keep(cache, "here", groups, users)
    assert recall(cache, "here")[0] == ({gid: Group(*group) for gid, group in groups.items()}, users)
    TableIdentity(groups, users)


@given(text=st.binary(max_size=40) | st.sampled_from([b"{}", b"[]", b'{"source": "here", "groups": []}']))
def test_a_damaged_cache_is_an_error(tmp_path_factory: pytest.TempPathFactory, text: bytes) -> None:
    cache = tmp_path_factory.mktemp("cache") / "names"
    cache.write_bytes(text)
    with pytest.raises(IdentityError):
        recall(cache, "here")


values = st.lists(st.text(max_size=4), max_size=3)
attributes = st.dictionaries(st.sampled_from(["cn", "gidnumber", "pi", "uid", "uidnumber"]), values)
entries = st.lists(st.builds(Entry, st.text(max_size=8), attributes), max_size=6)


@given(entries=entries, dn=st.text(max_size=20))
def test_any_entries_give_whole_names(entries: list[Entry], dn: str) -> None:
    comparable(dn)
    for gid, named in name_groups(entries, "pi", {}).items():
        assert type(gid) is int
        assert named.name
    assert all(name_users(entries).values())


@pytest.mark.parametrize(("other", "equal"), [("uid=A,ou=b", True), ("uid=a,ou=c", False)])
def test_distinguished_names_are_compared_as_ldap_does(other: str, equal: bool) -> None:
    assert (comparable("UID=a, OU = b") == comparable(other)) is equal


def test_results_are_asked_for_in_pages_of_rfc_2696() -> None:
    assert ldap.PAGES == "1.2.840.113556.1.4.319"


def test_slow_servers_time_out() -> None:
    """A server that takes the connection and never says a word."""
    silent = socket.create_server(("127.0.0.1", 0))
    taken: list[socket.socket] = []
    taker = threading.Thread(target=lambda: taken.append(silent.accept()[0]))
    taker.start()
    started = time.monotonic()
    url = f"ldap://127.0.0.1:{silent.getsockname()[1]}"
    with pytest.raises(IdentityError):
        read_ldap(LdapConfig(url=url, group_base=GROUPS, people_base=PEOPLE, timeout=1))
    assert time.monotonic() - started < LdapConfig.model_fields["timeout"].default
    taker.join()
    taken[0].close()
    silent.close()
