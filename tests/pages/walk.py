"""A walk over every route of the pages, and over every link on them."""

from __future__ import annotations

import html
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from lurge.view.app import api_path
from lurge.view.site import PAGES
from lurge.view.view import Page
from tests.pages.world import DAYS, TOP, Team

FORMS = ("", ".csv", ".parquet")
MOST = 6000
LINK = re.compile(r'(?:href|src|action)="([^"]*)"')


def paths_of(app: FastAPI) -> set[str]:
    """The paths of all routes that can be asked for."""
    return {route.path for route in app.routes if isinstance(route, APIRoute) and "GET" in (route.methods or ())}


def guesses(team: Team) -> dict[str, list[str]]:
    """What somebody may give for a parameter who knows, or guesses, what a group has."""
    base = f"{TOP}/teams/{team.folder}"
    paths = [
        base,
        f"{base}/run",
        f"{base}/run/deep",
        f"{TOP}/home",
        f"{TOP}/home/shared",
        f"{TOP}/teams",
        TOP,
        "/",
        "%",
    ]
    users = [*team.users.values(), "shared", "root", "_"]
    return {
        "name": [team.group, team.group.upper(), str(team.gid), *users],
        "group": [team.group, team.group[:4], str(team.gid), ""],
        "pi": [team.pi, team.pi[:4]],
        "user": [*users, *map(str, team.users)],
        "volume": ["scratch101", ".."],
        "path": [*paths, f"{team.folder}_kept", "=cmd"],
        "base": paths,
        "filetype": ["BAM", "text", "other", "vault", "directory"],
        "q": [team.group, team.pi, *team.users.values(), team.folder, base, f"{base}/run", "%", "_", "a", "e"],
        "state": ["Keep", "Archive"],
        "per": ["directory"],
        "level": ["1", "3"],
        "larger": ["1", f"{team.size}", "1 TiB"],
        "smaller": [f"{team.size}", "1 GiB"],
        "older": ["0", "30", "365", "1"],
        "newer": ["0", "100"],
        "archived": ["yes", "no"],
        "age": ["atime"],
        "area": ["records"],
        "at": [f"{day[:4]}-{day[4:6]}-{day[6:]}" for day in DAYS] + ["2023-01-01"],
        "since": [f"{day[:4]}-{day[4:6]}-{day[6:]}" for day in DAYS],
        "sort": ["-used", "used", "name", "-size", "path", "group", "-growth", "pi"],
        "page": ["2"],
        "rows": ["1", "1000000"],
        "ticket": ["1", "a"],
        "job": ["report"],
        "status": ["success"],
    }  # fmt: skip


PAIRS = [("volume", "path"), ("volume", "base"), ("volume", "at"), ("volume", "group"), ("volume", "user"),
         ("volume", "since"), ("name", "volume"), ("user", "group"), ("group", "per"), ("path", "user")]  # fmt: skip


def questions(page: Page[Any], values: dict[str, list[str]]) -> Iterator[dict[str, str]]:
    """The parameters to ask a page with."""
    known = [name for name in page.asked.model_fields if name in values]
    yield {}
    for name in known:
        yield from ({name: value} for value in values[name])
    for one, other in PAIRS:
        if one in known and other in known:
            yield from ({one: a, other: b} for a, b in itertools.product(values[one][:1], values[other][:4]))
    if {"volume", "path", "since"} <= set(known):
        yield from ({"path": path, "since": values["since"][0]} for path in values["path"][:4])


def seeds(app: FastAPI, teams: Sequence[Team]) -> list[str]:
    """Addresses of every route, with what the teams have; as pages for the first team only."""
    found = dict.fromkeys(sorted(paths_of(app)))
    for team in teams:
        values = guesses(team)
        for page in PAGES:
            for question in questions(page, values):
                asked = urlencode(question)
                found[f"{api_path(page)}?{asked}"] = None
                if team is teams[0]:
                    found[f"{page.path}?{asked}"] = None
    return list(found)


def links(answer: httpx.Response) -> set[str]:
    """The addresses on a page, and in its plots."""
    if answer.headers["content-type"].startswith("text/html"):
        texts = LINK.findall(answer.text) + re.findall(r'"(/[^"]*)"', answer.text)
        return {html.unescape(text.replace("\\u0026", "&")) for text in texts}
    return set()


def downloads(address: str, answer: httpx.Response) -> Iterator[str]:
    """Every table of a view, in each form."""
    parts = urlsplit(address)
    if answer.status_code == 200 and answer.headers["content-type"] == "application/json":
        known = json.loads(answer.text)
        for name, form in itertools.product(known.get("tables", ()), FORMS[1:]):
            yield f"{parts.path}{form}?{urlencode([*parse_qsl(parts.query), ('table', name)])}"


def kind_of(address: str) -> str:
    """An address without what only changes the order and the part of a table; of downloads only names and table."""
    parts = urlsplit(address)
    pairs = [pair for pair in parse_qsl(parts.query) if pair[0] not in ("sort", "page", "rows")]
    if parts.path.endswith(FORMS[1:]):
        pairs = [(name, value if name in ("table", "per", "base") else "") for name, value in sorted(pairs)]
    return f"{parts.path}?{urlencode(pairs)}"


def walk(client: TestClient, paths: set[str], first: Iterable[str]) -> dict[str, httpx.Response]:
    """The answers to some addresses, and to all that are linked from them, in any order of their tables."""
    answers: dict[str, httpx.Response] = {}
    waiting = list(dict.fromkeys(first))
    given = {kind_of(address) for address in waiting}
    for address in waiting:
        answer = answers[address] = client.get(address)
        for new in sorted({*links(answer), *downloads(address, answer)}):
            if urlsplit(new).path in paths and kind_of(new) not in given:
                given.add(kind_of(new))
                waiting.append(new)
        assert len(waiting) < MOST, "the walk does not end"
    return answers
