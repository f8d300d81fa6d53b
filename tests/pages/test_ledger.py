"""The pages of the ledger: amounts, an item's history, errors, and sending them again."""

from __future__ import annotations

import html
import re
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from tests.ledger.events import HEADER
from tests.pages.world import ADMIN, MEMBER, app_from, client_of
from tests.site import Site

ACCESS = f'[serve]\naccess = "header"\nadmins = ["{ADMIN}"]\n[identity.files]\nmembers = "members.tsv"\n'
HOSTILE = "<script>alert(1)</script>"


def line(number: int, kind: str = "incoming", value: object = 10, item: int = 12, day: int = 14) -> str:
    return f"{uuid.UUID(int=number)},{kind},2019-04-{day}T03:47:13Z,5,{item},{value}"


def apply(folder: Path, name: str, *lines: str) -> None:
    (folder / name).write_text("\n".join([HEADER, *lines]) + "\n")
    subprocess.run(
        [sys.executable, "-P", "-m", "lurge", "ledger", "apply", name], cwd=folder, check=False, capture_output=True
    )


@pytest.fixture
def site_of_ledger(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    site.dump()
    site.base_directories((10, "/lustre/scratch101/a"))
    site.run("-q", status=None)
    (site.folder / "members.tsv").write_text(f"{MEMBER}\tten\n")
    monkeypatch.chdir(site.folder)
    return site


@pytest.fixture
def app(site_of_ledger: Site) -> FastAPI:
    folder = site_of_ledger.folder
    text = site_of_ledger.config.read_text()
    site_of_ledger.config.write_text(text.replace("[identity.files]\n", '[identity.files]\nmembers = "members.tsv"\n')
                                     + f'[serve]\naccess = "header"\nadmins = ["{ADMIN}"]\n')  # fmt: skip
    apply(folder, "a.csv", line(1, value=20, day=10), line(2, "sale", 5, day=12), line(3, "sale", 99), HOSTILE,
          line(4, item=13))  # fmt: skip
    return app_from(site_of_ledger.config)


def view(client: TestClient, address: str) -> dict[str, Any]:
    answer = client.get(f"/api{address}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_without_a_ledger_the_pages_say_what_to_do(site_of_ledger: Site) -> None:
    client = client_of(app_from(site_of_ledger.config))
    for path in ("/ledger", "/ledger/errors"):
        assert "lurge ledger apply FILE" in client.get(path).text
    assert client.get("/ledger/item?store=1&item=1").status_code == 404


def test_amounts_with_their_filters(app: FastAPI) -> None:
    client = client_of(app, ADMIN)
    found = view(client, "/ledger")
    assert found["tables"]["items"]["rows"] == [
        {"store": 5, "item": 12, "amount": 15}, {"store": 5, "item": 13, "amount": 10},
    ]  # fmt: skip
    assert found["facts"] == {"items": 2, "events applied": 3, "errors": 2, "waiting": 0, "lag": 0}
    assert found["sentences"] == ["2 events could not be applied."]
    assert found["tables"]["files"]["rows"][0]["rejected"] == 1
    assert [row["item"] for row in view(client, "/ledger?below=12")["tables"]["items"]["rows"]] == [13]
    assert view(client, "/ledger?store=6")["tables"]["items"]["total"] == 0
    assert [row["amount"] for row in view(client, "/ledger?sort=-amount&rows=1")["tables"]["items"]["rows"]] == [15]
    assert client.get("/api/ledger.csv").text == "store,item,amount\n5,12,15\n5,13,10\n"
    assert client.get("/ledger?store=&item=&below=").status_code == 200
    assert client.get("/ledger?store=x").status_code == 400
    assert client.get(f"/ledger?store={2**63}").status_code == 400
    page = client.get("/ledger").text
    assert 'href="/ledger/item?store=5&amp;item=12"' in page


def test_the_history_of_an_item(app: FastAPI) -> None:
    client = client_of(app, ADMIN)
    found = view(client, "/ledger/item?store=5&item=12")
    assert [(row["event"], row["value"], row["amount"]) for row in found["tables"]["changes"]["rows"]] == [
        ("sale", 5, 15), ("incoming", 20, 20),
    ]  # fmt: skip
    assert found["facts"] == {"amount": 15, "errors": 1}
    assert found["plots"]["history"]["data"][0]["y"] == [20, 15]
    assert client.get("/ledger/item?store=5&item=99").status_code == 404


def test_errors_with_their_filters(app: FastAPI) -> None:
    client = client_of(app, ADMIN)
    found = view(client, "/ledger/errors")["tables"]["errors"]
    assert [(row["kind"], row["item"], row["place"]) for row in found["rows"]] == [
        ("beyond amount", 12, "a.csv, line 4"), ("invalid", None, "a.csv, line 5"),
    ]  # fmt: skip
    assert found["rows"][1]["input"] == HOSTILE
    assert view(client, "/ledger/errors?kind=invalid")["tables"]["errors"]["total"] == 1
    assert view(client, "/ledger/errors?file=b.csv")["tables"]["errors"]["total"] == 0
    assert HOSTILE not in client.get("/ledger/errors").text


def form_of(page: str) -> dict[str, str]:
    """The fields of the form that sends again."""
    found = re.search(r'<form method="post" class="action".*?</form>', page, re.DOTALL)
    assert found
    return {name: html.unescape(value) for name, value in re.findall(r'name="(.*?)" value="(.*?)"', found[0])}


def test_an_administrator_sends_errors_again(app: FastAPI, site_of_ledger: Site) -> None:
    client = client_of(app, ADMIN)
    page = client.get("/ledger/errors?item=12").text
    assert "Send 1 event again" in page
    form = form_of(page)
    assert form["item"] == "12"
    answer = client.post("/ledger/replay", data=form, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/ledger/errors?item=12&sent=1")
    assert "will be applied by the next" in client.get(answer.headers["location"]).text
    assert [row["kind"] for row in view(client, "/ledger/errors")["tables"]["errors"]["rows"]] == ["invalid"]
    assert view(client, "/ledger")["facts"]["waiting"] == 1
    assert "Send" not in client.get("/ledger/errors").text
    # Without a broker, the next run applies it.
    apply(site_of_ledger.folder, "b.csv", line(5, value=100))
    assert view(client, "/ledger/item?store=5&item=12")["facts"]["amount"] == 16


@pytest.mark.parametrize(
    ("person", "changes", "headers", "status"),
    [
        (ADMIN, {"token": "x"}, {}, 403),
        (ADMIN, {"token": ""}, {}, 403),
        (ADMIN, {}, {"Origin": "https://evil.example.org"}, 403),
        (ADMIN, {"item": "x"}, {}, 400),
        (ADMIN, {"file": "x" * 2000}, {}, 413),
        (MEMBER, {}, {}, 403),
    ],
)
def test_nobody_else_sends_errors_again(
    app: FastAPI, person: str, changes: dict[str, str], headers: dict[str, str], status: int
) -> None:
    form = form_of(client_of(app, ADMIN).get("/ledger/errors?item=12").text)
    answer = client_of(app, person).post("/ledger/replay", data=form | changes, headers=headers)
    assert answer.status_code == status, answer.text
    assert view(client_of(app, ADMIN), "/ledger/errors")["tables"]["errors"]["total"] == 2


def test_where_everybody_sees_everything_nobody_is_an_administrator(site_of_ledger: Site) -> None:
    apply(site_of_ledger.folder, "a.csv", line(1, "sale"))
    client = client_of(app_from(site_of_ledger.config))
    page = client.get("/ledger/errors")
    assert page.status_code == 200
    assert "Send" not in page.text
    assert client.post("/ledger/replay", data={"token": "x"}).status_code == 403
    assert client.get("/ledger/replay").status_code in (404, 405)


def test_a_ledger_in_a_database_of_its_own(site_of_ledger: Site) -> None:
    with site_of_ledger.config.open("a") as file:
        file.write('[ledger.database]\nurl = "sqlite:///ledger.db"\n')
    apply(site_of_ledger.folder, "a.csv", line(1))
    client = client_of(app_from(site_of_ledger.config))
    assert view(client, "/ledger")["facts"]["items"] == 1
    (site_of_ledger.folder / "ledger.db").unlink()
    assert client.get("/ledger").status_code == 503
