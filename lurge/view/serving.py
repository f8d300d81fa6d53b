"""What surrounds every answer: headers, the log of requests, and numbers for Prometheus."""

from __future__ import annotations

import logging
import time
from collections import Counter, defaultdict

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lurge.display import display

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:;"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""No script but our own files. Plots set styles of their elements."""

HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}

log = logging.getLogger("lurge.access")


class Requests:
    """The requests so far, by route and status, and their seconds."""

    def __init__(self) -> None:
        self.count: Counter[tuple[str, int]] = Counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def add(self, route: str, status: int, seconds: float) -> None:
        self.count[route, status] += 1
        self.seconds[route] += seconds


class Surround:
    """Adds headers to each answer, logs it and counts it. root: the path below which a proxy shows the pages."""

    def __init__(self, app: ASGIApp, requests: Requests, root: str) -> None:
        self._app, self._requests, self._root = app, requests, root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # A proxy may leave the root in the path, or not.
        path = scope["path"]
        if not f"{path}/".startswith(f"{self._root}/"):
            path = self._root + path
        scope["root_path"], scope["path"] = self._root, f"{path}/" if path == self._root else path
        started, status = time.perf_counter(), 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                # Nothing that may be personal is kept by a browser or a proxy.
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", "other")
            self._requests.add(route, status, seconds)
            client = scope["client"][0] if scope.get("client") else "-"
            person = scope.get("lurge.person") or "-"
            log.info(
                "%s %s %s %s %d %.0f ms",
                client, display(person), scope["method"], display(scope["path"]), status, 1000 * seconds,
            )  # fmt: skip
