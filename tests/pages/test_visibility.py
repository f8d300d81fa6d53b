"""Visibility by group: a person learns nothing about another group, on whatever route they ask."""

from __future__ import annotations

import html
import io
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlsplit

import httpx
import pyarrow.parquet as pq
import pytest
from fastapi import FastAPI

from lurge.model.sizes import human_size
from lurge.store.usage.read.pages import vault_rows
from lurge.view.pages import vault
from tests.pages.walk import paths_of, seeds, walk
from tests.pages.world import ADMIN, MEMBER, NOBODY, OURS, OWN, THEIRS, TOP, Team, app_of, client_of
from tests.site import Site

FORMS = ("", ".csv", ".parquet")
ADMINISTRATION = ("buckets", "job", "jobs", "ledger", "ledger/errors", "ledger/item", "work", "works")
"""Views that only administrators may see."""

Answers = dict[str, httpx.Response]

OPEN = {"/api", "/api/openapi.json", "/healthz", "/metrics", "/plotly.js"}
"""Routes that tell nothing about use."""


def secrets_of(team: Team) -> set[str]:
    """Everything that nobody outside a group may read, as pages, JSON and CSV write it."""
    found = {*team.words, f"{team.group} ", team.group.upper()}
    for number in team.numbers():
        found |= {str(number), f"{number:,}", human_size(number)}
    ours = {form for number in OURS.numbers() for form in (str(number), f"{number:,}", human_size(number))}
    return found - ours


def text_of(answer: httpx.Response) -> str:
    """All that an answer says; the columns of a Parquet file as text."""
    headers = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
    if answer.headers["content-type"] == "application/vnd.apache.parquet":
        return headers + str(pq.read_table(io.BytesIO(answer.content)).to_pylist())
    return headers + answer.text


def said(address: str, answer: httpx.Response) -> str:
    """What an answer says beside repeating what was asked."""
    text = text_of(answer)
    asked = {value for _, value in parse_qsl(urlsplit(address).query)}
    for value in sorted(asked, key=len, reverse=True):
        for form in (value, quote_plus(value), html.escape(value)):
            text = text.replace(form, "") if len(value) > 3 else text
    return text


@pytest.fixture(scope="module")
def answers(app: FastAPI) -> Answers:
    """What a person of our group gets."""
    with client_of(app, MEMBER) as client:
        return walk(client, paths_of(app), seeds(app, [THEIRS, OURS]))


def test_a_walk_asks_every_route_in_every_form(app: FastAPI, answers: Answers) -> None:
    asked = {address.partition("?")[0] for address in answers}
    assert asked >= paths_of(app)
    good = {address.partition("?")[0] for address, answer in answers.items() if answer.status_code == 200}
    refused = {f"/api/{name}{form}" for name in ADMINISTRATION for form in FORMS}
    assert paths_of(app) - good == refused | {f"/{name}" for name in ADMINISTRATION}
    tables = {address for address in good if address.endswith(".parquet")}
    assert len(tables) == 9


def test_no_answer_to_a_member_names_or_counts_another_group(answers: Answers) -> None:
    hidden = secrets_of(THEIRS)
    leaks = [
        (address, word)
        for address, answer in answers.items()
        if (text := said(address, answer))
        for word in hidden
        if word in text
    ]
    assert leaks == []
    assert any(str(OURS.entries(1)[0].size) in text_of(answer) for answer in answers.values())


def test_the_answers_do_not_depend_on_other_groups(answers: Answers, twin: Site) -> None:
    """Another name, size, path or number of the other group, or asking for what is not there, changes no byte."""
    other = app_of(twin)
    with client_of(other, MEMBER) as client:
        for address, answer in answers.items():
            if address.partition("?")[0] in OPEN:
                continue
            same = client.get(address)
            assert same.status_code == answer.status_code, address
            assert same.content == answer.content, address
            assert same.headers == answer.headers, address


def test_an_administrator_sees_the_other_group(app: FastAPI) -> None:
    """So the tests above look for what is there to be found."""
    with client_of(app, ADMIN) as client:
        addresses = ["/groups", "/directories", "/users", "/vault", "/tree?volume=scratch101",
                     f"/api/group?name={THEIRS.group}", f"/api/tree?path={TOP}/teams/{THEIRS.folder}/run"]  # fmt: skip
        text = "".join(client.get(address).text for address in addresses)
        found = {word for word in secrets_of(THEIRS) if word in text}
        assert {THEIRS.group, THEIRS.pi, THEIRS.folder, *THEIRS.users.values()} <= found
        assert len(found) > 10
        assert client.get("/jobs").status_code == 200


@pytest.mark.parametrize("user", [NOBODY, "\xe4\xf6'\"<b>%", "*", OWN, str(OURS.gid), "alice\tbob", MEMBER.upper()])
def test_a_person_of_no_group_sees_no_group(app: FastAPI, user: str) -> None:
    hidden = secrets_of(THEIRS) | secrets_of(OURS)
    named = [(b"x-remote-user", user.encode("latin-1"))]
    with client_of(app) as client:
        for address in seeds(app, [OURS])[::9]:
            answer = client.get(address, headers=named)
            text = said(address, answer)
            assert [word for word in hidden if word in text] == [], address
            assert answer.status_code < 500, address


def test_a_sum_with_a_hidden_part_is_on_no_page(answers: Answers) -> None:
    """The sums of a volume, of a directory and of a shared user, which both groups make."""
    both = {one.size // 2 + two.size // 2 for one in (OURS,) for two in (THEIRS,)}
    for night in (0, 1):
        sums = [sum(entry.size for entry in team.entries(night)) for team in (OURS, THEIRS)]
        both |= {sum(sums), sum(sums) + OURS.size // 2 + THEIRS.size // 2 + 4096}
    forms = {form for number in both for form in (str(number), f"{number:,}", human_size(number))}
    assert [address for address, answer in answers.items() if any(form in text_of(answer) for form in forms)] == []


def test_a_query_that_forgets_its_person_is_found(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    """So the tests above can fail."""

    def forgetful(connection: Any, dates: Any, _: Any, *rest: Any) -> Any:
        return vault_rows(connection, dates, None, *rest)

    monkeypatch.setattr(vault, "vault_rows", forgetful)
    with client_of(app, MEMBER) as client:
        answer = client.get("/api/vault.csv")
    assert any(word in text_of(answer) for word in secrets_of(THEIRS))
