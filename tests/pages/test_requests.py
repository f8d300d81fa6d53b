"""Requests of every kind: headers of answers, the Host header, foreign characters, and many at once."""

from __future__ import annotations

import csv
import io
import re
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import date
from html import unescape
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pyarrow.parquet as pq
import pytest
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from lurge.view.app import api_path
from lurge.view.site import PAGES
from lurge.view.table import Column, Table
from tests.pages.walk import guesses, paths_of
from tests.pages.world import ADMIN, MEMBER, OURS, TOP, app_of, client_of, serving
from tests.site import Site

SECURITY = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
MISTAKES = ("/nowhere", "/static/nowhere", "/groups?page=0", "/api/groups?page=x", "/group?name=x", "/api/tree?at=x",
            "/groups/", "//groups", "/%2e%2e/%2e%2e/etc/passwd", "/static/..%2f..%2f..%2fapp.py", "/static/%00",
            "/static/" + "a" * 5000, "/static/", "/api/groups.xlsx")  # fmt: skip


@pytest.fixture(scope="module")
def client(app: FastAPI) -> Iterator[TestClient]:
    with client_of(app, MEMBER) as client:
        yield client


@pytest.fixture(scope="module")
def admin(app: FastAPI) -> Iterator[TestClient]:
    with client_of(app, ADMIN) as client:
        yield client


def test_every_answer_has_the_headers_of_security(app: FastAPI, client: TestClient) -> None:
    nobody = client_of(app, address=("10.0.0.1", 1))
    answers = [client.get(path) for path in (*sorted(paths_of(app)), *MISTAKES)]
    answers += [client.post("/groups"), client.head("/groups"), client.delete("/"), nobody.get("/")]
    answers += [client.get("/", headers={"Host": "evil.example.org"}), client.get("/static/lurge.css")]
    for answer in answers:
        assert {name: answer.headers.get(name) for name in SECURITY} == SECURITY, answer.url
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        is_ours = answer.is_success and answer.url.path in ("/static/lurge.css", "/plotly.js")
        assert answer.headers["cache-control"] == ("public, max-age=86400" if is_ours else "no-store"), answer.url
        assert answer.status_code < 500, answer.url
    assert Counter(answer.status_code // 100 for answer in answers)[4] >= len(MISTAKES)


def test_an_unexpected_error_is_a_page_with_headers_that_tells_nothing(
    world: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = app_of(world)
    monkeypatch.setattr(app.state.site, "context", lambda person: 1 / 0)
    for path in ("/", "/api/groups"):
        answer = client_of(app, MEMBER).get(path)
        assert answer.status_code == 500
        assert {name: answer.headers.get(name) for name in SECURITY} == SECURITY
        assert answer.headers["cache-control"] == "no-store"
        assert "Something failed" in answer.text
        assert "ZeroDivision" not in answer.text


@pytest.mark.parametrize(
    "host", ["evil.example.org", "", "localhost.evil.org", "127.0.0.1.evil.org", "a b", "[::1", "*"]
)
def test_another_host_is_refused(client: TestClient, host: str) -> None:
    assert client.get("/groups", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST:1"])
def test_the_names_of_this_machine_are_taken(client: TestClient, host: str) -> None:
    assert client.get("/groups", headers={"Host": host}).status_code == 200


def test_what_each_page_loads_is_on_this_site_and_no_script_is_inside(client: TestClient) -> None:
    for page in PAGES:
        text = client.get(page.path, headers={"Accept": "text/html"}).text
        assert "http://" not in text
        assert "https://" not in text
        assert " onclick" not in text
        assert "<script>" not in text


MARKUP = '<b>"zq"'

TEXTS = st.one_of(
    st.text(max_size=40),
    st.sampled_from(["%", "_", "\\", "'", '"', "\0", "\x1b[31m", "<script>", "{{7*7}}", "../..", "/", "-", "--",
                     "=1+1", "1e999", "NaN", "9" * 400, "-1", "0", "1", "２", "\u202e", "\U0001f4a9", "a" * 3000,
                     "; drop table", "2024-01-31", "9999-12-31", "0001-01-01", "scratch101", "alpharius",
                     "/lustre/scratch101", "\\xff"]),
)  # fmt: skip
NAMES = sorted({name for page in PAGES for name in page.asked.model_fields} | {"table", "unknown", "sort"})
KNOWN = {name: st.sampled_from(values) for name, values in guesses(OURS).items()}
PAIRS = st.sampled_from(NAMES).flatmap(lambda name: st.tuples(st.just(name), st.one_of(TEXTS, KNOWN.get(name, TEXTS))))


@settings(max_examples=300)
@given(st.sampled_from(PAGES), st.sampled_from(["", "api", ".csv", ".parquet"]), st.lists(PAIRS, max_size=4))
def test_no_question_is_an_error_of_the_server(
    admin: TestClient, client: TestClient, page: object, form: str, pairs: list[tuple[str, str]]
) -> None:
    path = page.path if not form else api_path(page) + form.removeprefix("api")  # type: ignore[attr-defined, arg-type]
    for one in (admin, client):
        answer = one.get(f"{path}?{urlencode(pairs)}")
        assert answer.status_code in (200, 400, 404, 422), (path, pairs, answer.text)


@pytest.mark.parametrize(
    "query",
    ["name=%", "name=%zz", "name=%ff%fe", "name=%c0%80", "name=%00", "name=%ed%a0%80", "name", "=", "&&&", "name=a;b=c",
     "q=" + quote("\0" * 100), "path=%5cxff%5cx00", "page=99999999999999999999", "rows=-1", "page=1&page=x",
     "x=" + "a" * 60000, "&".join(f"x{number}=1" for number in range(2000)), "sort=-", "sort=--used",
     "volume=%2e%2e%2f", "volume=/etc", "volume=a%00b", "since=2024-01-20&volume=scratch101%2f",
     "older=365&since=2023-01-01"],
)  # fmt: skip
def test_malformed_addresses_are_answered(admin: TestClient, query: str) -> None:
    for page in PAGES:
        for path in (page.path, api_path(page), api_path(page) + ".csv"):
            answer = admin.get(f"{path}?{query}")
            assert answer.status_code in (200, 400, 404, 422), (path, answer.text)


def test_wildcards_of_sql_are_letters(admin: TestClient) -> None:
    def found(parameter: str) -> int:
        return int(admin.get(f"/api/vault?{parameter}").json()["tables"]["vault"]["total"])

    assert found("path=.bam") == 2
    assert found("path=%25.bam") == 0
    assert found("path=_bam") == 0
    assert found("path=alphadata_kept") == 1
    assert admin.get("/api/search?q=al%25us").json()["tables"]["results"]["total"] == 0


def test_what_is_asked_is_escaped_on_the_page(client: TestClient) -> None:
    for page in PAGES:
        for name in page.asked.model_fields:
            text = client.get(f"{page.path}?{urlencode({name: MARKUP})}").text
            assert "<b>" not in text
            assert '"zq"' not in text


def test_a_volume_that_is_a_path_leads_to_no_other_index(world: Site, app: FastAPI) -> None:
    """Somebody's own folder could have the files of an index under a manifest that names them as the group."""
    outside = world.folder / "outside"
    (world.folder / "out" / "tree" / "scratch101").rename(outside)
    try:
        for volume in (str(outside), f"x/../../../{outside.name}", f"../../{outside.name}", "..%2f"):
            answer = client_of(app, MEMBER).get("/api/tree", params={"volume": volume})
            assert answer.status_code == 404, answer.text
    finally:
        outside.rename(world.folder / "out" / "tree" / "scratch101")
    assert client_of(app, MEMBER).get("/api/tree?volume=scratch101").status_code == 200


def test_an_index_of_no_such_volume_or_date_is_not_found(client: TestClient) -> None:
    for query in ("volume=nowhere", "volume=scratch101&at=2020-01-01", "volume=scratch101&since=2020-01-01"):
        answer = client.get(f"/api/tree?{query}")
        assert answer.status_code == 404
        assert "/out/tree" not in answer.text


def test_no_cell_of_a_csv_is_a_formula(client: TestClient) -> None:
    rows = list(csv.reader(io.StringIO(client.get("/api/vault.csv?path=cmd").text)))
    assert len(rows) == 2
    cells = ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "-5 files", "plain", -5, None]
    table = Table("t", "", (Column("a", ""),), [{"a": cell} for cell in cells], len(cells))
    written = [row[0] if row else "" for row in csv.reader(io.StringIO(table.as_csv()))][1:]
    assert [cell[0] for cell in written if cell] == ["'", "'", "'", "'", "\\", "\\", "\\", "'", "p", "-"]


def test_every_table_is_the_same_as_json_csv_and_parquet(admin: TestClient) -> None:
    for path in ("/api/groups", "/api/overview", "/api/vault", f"/api/group?name={OURS.group}", "/api/users",
                 "/api/tree?path=/lustre/scratch101"):  # fmt: skip
        view, (path, _, query) = admin.get(path).json(), path.partition("?")
        for name, table in view["tables"].items():
            read = pq.read_table(io.BytesIO(admin.get(f"{path}.parquet?{query}&table={name}").content)).to_pylist()
            lines = list(csv.DictReader(io.StringIO(admin.get(f"{path}.csv?{query}&table={name}").text)))
            assert len(read) == len(lines) == table["total"]
            for row, parquet, line in zip(table["rows"], read, lines, strict=False):
                plain = {key: one.isoformat() if isinstance(one, date) else one for key, one in parquet.items()}
                assert (
                    plain == {key: str(one) if key == "seconds" else one for key, one in row.items()} or name == "jobs"
                )
                assert {key: value.lstrip("'") for key, value in line.items()} == {
                    key: "" if value is None else str(value) for key, value in row.items()
                }


def test_a_parquet_file_holds_numbers_of_any_size() -> None:
    rows = [{"n": 2**63 - 1}, {"n": 2**70}, {"n": None}]
    table = Table("t", "", (Column("n", "", "bytes"),), rows, 3)
    assert table.as_arrow()["n"].to_pylist() == [2**63 - 1, 2**70, None]


def test_many_requests_at_once_are_all_answered(world: Site) -> None:
    app = app_of(world)
    addresses = ["/", "/groups", "/tree?volume=scratch101", "/api/vault", "/users"] * 10
    statuses: list[int] = []
    gate = threading.Barrier(len(addresses))
    with client_of(app, MEMBER) as client:

        def ask(address: str) -> None:
            gate.wait()
            statuses.append(client.get(address).status_code)

        threads = [threading.Thread(target=ask, args=(address,)) for address in addresses]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert statuses == [200] * len(addresses)


def test_open_pages_show_everything_without_a_name(world: Site) -> None:
    from lurge.config import load_config
    from lurge.view.app import make_app

    app = make_app(load_config(serving(world, "open", 'access = "open"')), "secret")
    assert {row["group"] for row in client_of(app).get("/api/groups").json()["tables"]["groups"]["rows"]} > {OURS.group}


def test_the_directories_of_a_base_directory_lead_to_the_tree(app: FastAPI) -> None:
    base = f"{TOP}/teams/{OURS.folder}"
    with client_of(app, ADMIN) as client:
        page = client.get("/directories", params={"volume": "scratch101", "base": base}).text
        targets = [unescape(target) for target in re.findall(r'<th scope="row"[^>]*><a href="([^"]*)"', page)]
        assert {parse_qs(urlsplit(target).query)["path"][0] for target in targets} == {
            base, f"{base}/run", f"{base}/.vault",
        }  # fmt: skip
        assert [client.get(target).status_code for target in targets] == [200] * len(targets)
