"""What operators ask: whether the pages work, and numbers for Prometheus. Neither tells anything about use."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from lurge.errors import StoreError
from lurge.view.person import EVERYBODY
from lurge.view.serving import Requests
from lurge.view.site import Site

SECONDS_A_DAY = 86400


def add_status(app: FastAPI, site: Site, requests: Requests) -> None:
    """Add /healthz and /metrics."""

    def health(request: Request) -> Response:
        try:
            with site.context(EVERYBODY) as context:
                return JSONResponse({"status": "ok", "volumes": len(context.volumes)})
        except StoreError:
            return JSONResponse({"status": "the database does not answer"}, 503)

    def metrics(request: Request) -> Response:
        lines = ["# TYPE lurge_requests_total counter"]
        for (route, status), count in sorted(requests.count.items()):
            lines.append(f'lurge_requests_total{{route="{quoted(route)}",status="{status}"}} {count}')
        lines.append("# TYPE lurge_request_seconds_total counter")
        for route, seconds in sorted(requests.seconds.items()):
            lines.append(f'lurge_request_seconds_total{{route="{quoted(route)}"}} {seconds:.6f}')
        is_up, rows = 1, []
        try:
            with site.context(EVERYBODY) as context:
                rows = list(context.dates("newest").items())
        except StoreError:
            is_up = 0
        lines += ["# TYPE lurge_database_up gauge", f"lurge_database_up {is_up}"]
        lines.append("# TYPE lurge_volume_record_timestamp_seconds gauge")
        for name, day in rows:
            seconds = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
            lines.append(f'lurge_volume_record_timestamp_seconds{{volume="{quoted(name)}"}} {seconds:.0f}')
        lines.append("# TYPE lurge_volume_age_days gauge")
        today = datetime.now(UTC).date()
        for name, day in rows:
            lines.append(f'lurge_volume_age_days{{volume="{quoted(name)}"}} {(today - day).days}')
        return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")

    app.add_api_route("/healthz", health, include_in_schema=False)
    app.add_api_route("/metrics", metrics, include_in_schema=False)


def quoted(label: str) -> str:
    """A value of a label, as Prometheus wants it."""
    return label.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
