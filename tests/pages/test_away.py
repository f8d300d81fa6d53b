"""A database that is away and comes back, and the nightly swap while people look at pages."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from lurge.config.database import DatabaseConfig
from lurge.errors import TreeError
from lurge.store.database import Database
from lurge.store.database.upgrade import upgrade
from lurge.store.tree.read import Index
from lurge.store.tree.usage import Filter
from lurge.store.usage.area import USAGE
from tests.pages.walk import paths_of
from tests.pages.world import ADMIN, MEMBER, OTHERS, OURS, TOP, app_from, app_of, client_of, serving
from tests.services.mariadb import MariaDb
from tests.services.pages import Pages
from tests.site import Entry, Site

FREE = ("/static", "/plotly.js", "/api", "/api/openapi.json", "/metrics")


@pytest.fixture
def copied(world: Site, tmp_path: Path) -> Site:
    """The reports of the world, to be changed."""
    shutil.copytree(world.folder, tmp_path / "site", ignore=shutil.ignore_patterns("*.log"))
    site = Site.__new__(Site)
    site.__dict__.update({**world.__dict__, "folder": tmp_path / "site"})
    return site


def test_a_missing_database_gives_pages_that_say_so_until_it_is_back(copied: Site) -> None:
    app = app_of(copied)
    views = sorted(paths_of(app) - {*FREE, "/healthz"})
    aside = copied.folder / "aside"
    with client_of(app, ADMIN) as client:
        assert client.get("/api/groups").json()["tables"]["groups"]["total"] == 3
        (copied.folder / "out").rename(aside)
        for path in views:
            answer = client.get(path)
            assert answer.status_code == 503, path
            assert "The database does not answer" in answer.text
            assert "lurge.db" not in answer.text
            assert "Try again" in answer.text
        assert client.get("/healthz").status_code == 503
        assert "lurge_database_up 0" in client.get("/metrics").text
        assert client.get("/static/lurge.css").status_code == 200
        aside.rename(copied.folder / "out")
        for path in ("/healthz", "/", "/groups", "/api/tree"):
            assert client.get(path).status_code == 200, path
        assert "lurge_database_up 1" in client.get("/metrics").text


def test_another_file_in_place_of_a_missing_one_is_read(copied: Site, twin: Site) -> None:
    with client_of(app_of(copied), ADMIN) as client:
        client.get("/groups")
        copied.database.unlink()
        assert client.get("/groups").status_code == 503
        for left in copied.database.parent.glob("lurge.db*"):
            left.unlink()
        shutil.copy(twin.database, copied.database)
        text = client.get("/groups").text
        assert OTHERS.group in text


def test_a_server_that_is_killed_gives_pages_that_say_so_until_it_is_back(world: Site, server: MariaDb) -> None:
    url = server.new_database("lurge_pages")
    upgrade(Database(DatabaseConfig(url=url)), USAGE)
    file = serving(world, "mariadb", f'access = "header"\n[database]\nurl = "{url}"')
    with client_of(app_from(file), MEMBER) as client:
        assert client.get("/groups").status_code == 200
        server.kill()
        for _ in range(2):
            answer = client.get("/groups")
            assert answer.status_code == 503
            assert "The database does not answer" in answer.text
            assert "mysql" not in answer.text.lower()
        assert client.get("/healthz").status_code == 503
        server.start()
        for _ in range(5):
            assert client.get("/groups").status_code == 200
        server.kill_connections("lurge_pages")
        assert client.get("/groups").status_code == 200
        assert client.get("/healthz").status_code == 200


@pytest.fixture
def running(copied: Site) -> Iterator[Pages]:
    server = Pages(copied.config)
    yield server
    server.stop()


def looked_at(client: httpx.Client, path: str, key: Callable[[Any], Any], ends: threading.Event) -> Iterator[Any]:
    while not ends.is_set():
        answer = client.get(path)
        assert answer.status_code == 200, answer.text
        yield key(answer.json())


def test_a_swap_during_a_visit_shows_one_state_on_each_page(copied: Site, running: Pages) -> None:
    """Every number of a page is of the report before, or every number is of the one after."""

    def state(view: Any) -> tuple[int, ...]:
        tables = view["tables"]
        directories = sum(row["used"] for row in tables["directories"]["rows"])
        newest = tables["history"]["rows"][0]
        people = sum(row["size"] for row in tables["people"]["rows"])
        return view["facts"]["used"], directories, newest["used"], people - newest["unattributed"]

    def tree_state(view: Any) -> tuple[int, ...]:
        tables = view["tables"]
        by = [sum(row["bytes"] for row in tables[name]["rows"]) for name in ("group", "user", "filetype", "age")]
        return view["facts"]["size"], *by

    pages = {f"/api/group?name={OURS.group}": state, f"/api/tree?path={TOP}/teams&rows=1000": tree_state}
    seen: dict[str, set[tuple[int, ...]]] = {path: set() for path in pages}
    failures: list[BaseException] = []
    ends = threading.Event()

    def visit(path: str) -> None:
        headers = {"X-Remote-User": MEMBER}
        try:
            with httpx.Client(base_url=running.address, headers=headers) as client:
                seen[path] |= set(looked_at(client, path, pages[path], ends))
        except BaseException as error:
            failures.append(error)

    visitors = [threading.Thread(target=visit, args=(path,)) for path in pages]
    for visitor in visitors:
        visitor.start()
    more = [Entry(f"{TOP}/teams/alphadata/run/more{number}.txt", 1_000_003, 1, OURS.gid) for number in range(50)]
    for entries in (more, []):
        copied.dump(Entry(TOP, 4096, 0, 0, type="d"), *OURS.entries(1), *entries)
        copied.run("-q", "--force")
    ends.set()
    for visitor in visitors:
        visitor.join()
    assert failures == [], running.log.read_text()
    for path, states in seen.items():
        assert len(states) in (2, 3), (path, states)
        assert [numbers for numbers in states if len(set(numbers)) != 1] == [], path


def test_an_index_that_is_replaced_while_a_page_is_made_is_read_again(
    copied: Site, twin: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = copied.folder / "out" / "tree" / "scratch101" / "20240131"
    app = app_of(copied)
    before = client_of(app, ADMIN).get(f"/api/tree?path={TOP}/teams").json()
    real = Index.total

    def replacing(index: Index, *arguments: Any, **more: Any) -> Any:
        if (twin_place := twin.folder / "out" / "tree" / "scratch101" / "20240131").exists() and not moved:
            moved.append(place.rename(place.with_name("old")))
            shutil.copytree(twin_place, place)
        return real(index, *arguments, **more)

    moved: list[Path] = []
    monkeypatch.setattr(Index, "total", replacing)
    view = client_of(app, ADMIN).get(f"/api/tree?path={TOP}/teams").json()
    assert moved
    assert view["facts"] != before["facts"]
    for name in ("group", "user", "filetype"):
        assert sum(row["bytes"] for row in view["tables"][name]["rows"]) == view["facts"]["size"]
    assert OTHERS.group in {row["value"] for row in view["tables"]["group"]["rows"]}


def test_an_index_that_loses_a_file_gives_no_answer_without_its_filter(copied: Site) -> None:
    place = copied.folder / "out" / "tree" / "scratch101" / "20240131"
    index = Index(place)
    directory = index.find(f"{TOP}/teams/alphadata".encode())
    (place / "usage" / "0002.parquet").unlink()
    with pytest.raises(TreeError):
        index.total(directory, Filter(gids=frozenset([99])))
