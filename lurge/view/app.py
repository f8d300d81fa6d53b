"""The web application: each view as HTML, JSON, CSV and Parquet, signing in, and what operators ask."""

import contextlib
import gc
import importlib.util
import io
import logging
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

import lurge
from lurge.config import Config
from lurge.errors import IdentityError, LurgeError, PageError, StoreError, TreeError
from lurge.view.access import Refused
from lurge.view.html import Frame, render, render_plain
from lurge.view.pages import tree
from lurge.view.person import EVERYBODY, Person
from lurge.view.replay import add_replay, token_for
from lurge.view.serving import HEADERS, Requests, Surround
from lurge.view.signin import add_sign_in
from lurge.view.site import PAGES, Site
from lurge.view.status import add_status
from lurge.view.table import MOST_ROWS
from lurge.view.view import Page, View

FOR_ALL_SEEING = ("jobs", "works", "buckets", "ledger")
"""Pages of the menu that are not divided by group."""

THREADS = 8
"""Views that are made at a time; more requests wait."""

COLLECT_AFTER = 20_000, 20, 20
"""Objects until the first generation is collected, and the numbers of collections until the next ones are."""

WARM_SECONDS = 1
"""Time to prepare before the server listens. If the database is slow, it prepares the rest meanwhile."""

log = logging.getLogger(__name__)

KEPT = {"Cache-Control": "public, max-age=86400"}
STATIC = Path(__file__).parent / "static"


def make_app(config: Config, secret: str, host: str = "127.0.0.1", port: int = 8080) -> FastAPI:
    """The application. secret: signs cookies. host, port: where it listens, for the check of the Host header."""
    site, requests = Site(config), Requests()
    address = urlsplit(config.serve.address)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        with anyio.move_on_after(WARM_SECONDS):
            await anyio.to_thread.run_sync(warm, site, abandon_on_cancel=True)
        # What is there now stays. To search it for garbage took longer than to make a page.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*COLLECT_AFTER)
        yield
        site.close()

    app = FastAPI(
        title=config.serve.title, version=lurge.__version__, description="Every page as JSON, CSV and Parquet.",
        openapi_url="/api/openapi.json", docs_url=None, redoc_url=None, redirect_slashes=False, lifespan=lifespan,
    )  # fmt: skip
    app.state.site = site
    for page in PAGES:
        add_page(app, site, page, secret)
    app.mount("/static", KeptFiles(directory=STATIC), name="static")
    app.add_api_route("/plotly.js", plotly_script, include_in_schema=False)
    app.add_api_route("/api", api_index, include_in_schema=False)
    add_status(app, site, requests)
    add_replay(app, site, secret)
    if site.access.has_sessions:
        add_sign_in(app, site)
        app.add_middleware(
            SessionMiddleware, secret_key=secret, session_cookie="lurge", max_age=config.serve.session_minutes * 60,
            same_site="lax", https_only=address.scheme == "https", path=address.path or "/",
        )  # fmt: skip
    add_errors(app, config.serve.title, address.path)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=hosts(host, address.hostname), www_redirect=False)
    app.add_middleware(Surround, requests=requests, root=address.path)
    return app


def warm(site: Site) -> None:
    """Make each page that needs no choice once, so that nobody waits for imports, templates and connections."""
    import pyarrow.compute  # noqa: F401

    frame = Frame(site.config.serve.title, "", EVERYBODY, PAGES, can_sign_out=False, token="")
    for page in (PAGES[0], tree.PAGE):
        # Whatever is wrong is told to those who ask for the page.
        with contextlib.suppress(LurgeError):
            asked = page.asked()
            with site.context(EVERYBODY) as context:
                view = page.make(context, asked)
            render(frame, page, asked, view)


def hosts(host: str, outside: str | None) -> list[str]:
    """The names that a Host header may have."""
    names = {"localhost", "127.0.0.1", "[::1]", socket.gethostname(), socket.getfqdn(), outside or ""}
    if host not in ("0.0.0.0", "::"):  # noqa: S104
        names.add(f"[{host}]" if ":" in host else host)
    return sorted(names - {""})


class KeptFiles(StaticFiles):
    """Files that browsers may keep."""

    def file_response(self, *arguments: Any, **named: Any) -> Response:
        response = super().file_response(*arguments, **named)
        response.headers.update(KEPT)
        return response


def plotly_script() -> Response:
    """The JavaScript file of the plotly wheel."""
    found = importlib.util.find_spec("plotly")
    if found is None or found.origin is None:
        raise HTTPException(404, "plotly is not installed")
    path = Path(found.origin).parent / "package_data" / "plotly.min.js"
    return FileResponse(path, media_type="text/javascript", headers=KEPT)


def api_index(request: Request) -> dict[str, Any]:
    """The views, and where they are described."""
    root = request.scope.get("root_path", "")
    return {"views": [root + api_path(page) for page in PAGES], "openapi": f"{root}/api/openapi.json"}


def api_path(page: Page[Any]) -> str:
    """The address of a view for programs."""
    return "/api" + ("/overview" if page.path == "/" else page.path)


def person_of(site: Site, request: Request) -> Person | None:
    """The person who asks, also for the log."""
    person = site.access.person(request)
    request.scope["lurge.person"] = person.name if person else ""
    return person


def need_person(site: Site, request: Request) -> Person:
    """The person who asks. Raises Refused if they did not sign in."""
    person = person_of(site, request)
    if person is None:
        raise Refused(401, "Sign in first.")
    return person


def add_page(app: FastAPI, site: Site, page: Page[Any], secret: str) -> None:
    """Add the routes of a view. secret: signs its forms."""
    asked_type = page.asked
    menu = [one for one in PAGES if one.menu]

    def view_of(person: Person, asked: Any) -> View:
        with site.context(person) as context:
            return page.make(context, asked)

    def html(request: Request) -> Response:
        person = person_of(site, request)
        root = request.scope.get("root_path", "")
        if person is None:
            return RedirectResponse(f"{root}/signin", 303)
        try:
            asked = asked_type.model_validate(dict(request.query_params))
        except ValidationError as error:
            first = error.errors()[0]
            raise HTTPException(400, f"{first['loc'][0] if first['loc'] else ''}: {first['msg']}") from error
        view = view_of(person, asked)
        shown = [one for one in menu if person.sees_all or one.name not in FOR_ALL_SEEING]
        frame = Frame(site.config.serve.title, root, person, shown, site.access.has_sessions, token_for(secret, person))
        return HTMLResponse(render(frame, page, asked, view))

    def as_json(request: Request, asked: Annotated[asked_type, Query()]) -> Response:  # type: ignore[valid-type]
        return JSONResponse(view_of(need_person(site, request), asked).as_json())

    def rows(request: Request, asked: Any, table: str) -> Any:
        every = asked.model_copy(update={"rows": MOST_ROWS, "page": 1})
        tables = {one.name: one for one in view_of(need_person(site, request), every).tables}
        if table and table not in tables:
            raise PageError(f"this view has no table {table}", f"It has {', '.join(tables)}.")
        return tables[table] if table else next(iter(tables.values()))

    def as_csv(request: Request, asked: Annotated[asked_type, Query()], table: str = "") -> Response:  # type: ignore[valid-type]
        chosen = rows(request, asked, table)
        return download(chosen.as_csv().encode("utf-8", "backslashreplace"), "text/csv", f"{chosen.name}.csv")

    def as_parquet(request: Request, asked: Annotated[asked_type, Query()], table: str = "") -> Response:  # type: ignore[valid-type]
        import pyarrow.parquet as pq

        chosen, file = rows(request, asked, table), io.BytesIO()
        pq.write_table(chosen.as_arrow(), file)
        return download(file.getvalue(), "application/vnd.apache.parquet", f"{chosen.name}.parquet")

    path, name = api_path(page), page.name
    app.add_api_route(page.path, html, include_in_schema=False, response_class=HTMLResponse, name=name)
    app.add_api_route(path, as_json, name=f"{name} as JSON", summary=summary(page))
    app.add_api_route(f"{path}.csv", as_csv, name=f"{name} as CSV", summary=f"A table of {name} as CSV.")
    app.add_api_route(
        f"{path}.parquet", as_parquet, name=f"{name} as Parquet", summary=f"A table of {name} as Parquet."
    )


def summary(page: Page[Any]) -> str:
    return (page.make.__doc__ or page.name).partition("\n")[0]


def download(content: bytes, kind: str, name: str) -> Response:
    """A file to save."""
    return Response(content, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def add_errors(app: FastAPI, title: str, root: str) -> None:
    """Turn errors into pages, or into JSON for programs."""

    def answer(request: Request, status: int, message: str, advice: str = "") -> Response:
        if request.url.path.removeprefix(root).startswith("/api"):
            return JSONResponse({"error": message, "advice": advice or None}, status)
        text = render_plain("error.html", root, site_title=title, status=status, message=message, advice=advice)
        return HTMLResponse(text, status)

    def expected(request: Request, error: Exception) -> Response:
        assert isinstance(error, LurgeError)
        if isinstance(error, PageError):
            return answer(request, 404, error.message, error.advice)
        # The message may name what is not for everybody: it goes to the log.
        log_error(error)
        words = {
            StoreError: ("The database does not answer.", "Try again in a minute. `/healthz` says when it is back."),
            TreeError: ("A tree index cannot be read.", "`lurge backfill --tree DATE` builds it again."),
            IdentityError: ("Names of groups cannot be read.", "Try again in a minute."),
        }
        for kind, (message, advice) in words.items():
            if isinstance(error, kind):
                return answer(request, 503, message, advice)
        return answer(request, 500, "Something failed.", "The log of the server has the reason.")

    def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return answer(request, error.status, error.message)

    def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return answer(request, error.status_code, str(error.detail))

    def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        return answer(request, 422, f"{first['loc'][-1]}: {first['msg']}")

    def unexpected(request: Request, error: Exception) -> Response:
        # Starlette answers outside of every middleware, and then logs the error.
        answered = answer(request, 500, "Something failed.", "The log of the server has the reason.")
        answered.headers.update({**HEADERS, "Cache-Control": "no-store"})
        return answered

    app.add_exception_handler(Exception, unexpected)
    app.add_exception_handler(LurgeError, expected)
    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)


def log_error(error: LurgeError) -> None:
    """Log an error that a request met."""
    log.warning("%s", error.message)
