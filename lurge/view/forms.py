"""Checks of forms that people send."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request

from lurge.view.access import Refused

LONGEST = 1024
"""Bytes of a form, at most."""


def root_of(request: Request) -> str:
    """Return the path below which a proxy shows all pages."""
    return str(request.scope.get("root_path", ""))


def check_origin(request: Request, address: str) -> None:
    """Raise Refused for a form that another site sent. address: of the pages behind a proxy, which may change Host."""
    origin = request.headers.get("origin")
    if origin and urlsplit(origin).netloc not in (request.headers.get("host"), urlsplit(address).netloc or None):
        raise Refused(403, "The form came from another site.")


def check_length(request: Request) -> None:
    """Raise Refused for a form that is too long, or does not say how long it is."""
    length = request.headers.get("content-length", "")
    if not (length.isascii() and length.isdigit()):
        raise Refused(411, "The form does not say how long it is.")
    if len(length) > len(str(LONGEST)) or int(length) > LONGEST:
        raise Refused(413, "The form is too long.")
