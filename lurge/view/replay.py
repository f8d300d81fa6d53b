"""Sending errors of the ledger again: the only thing that the pages change, and only for administrators."""

from __future__ import annotations

import hashlib
import hmac
import logging

from fastapi import FastAPI
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from lurge.display import counted, display
from lurge.store.ledger.replay import replay
from lurge.view.access import Refused
from lurge.view.forms import check_length, check_origin, root_of
from lurge.view.pages.ledger import FILTERS, AskedErrors
from lurge.view.person import Person
from lurge.view.site import Site
from lurge.view.view import address

PATH = "/ledger/replay"
TOKEN = "token"  # noqa: S105 - the name of a field

log = logging.getLogger(__name__)


def token_for(secret: str, person: Person) -> str:
    """Return the token that a form of a person carries, which another site cannot know."""
    return hmac.new(secret.encode(), f"replay\n{person.name}".encode(), hashlib.sha256).hexdigest()


def add_replay(app: FastAPI, site: Site, secret: str) -> None:
    """Add the route that the button of the errors leads to."""

    async def send_again(request: Request) -> Response:
        check_origin(request, site.config.serve.address)
        check_length(request)
        person = await run_in_threadpool(site.access.person, request)
        if person is None:
            raise Refused(401, "Sign in first.")
        request.scope["lurge.person"] = person.name
        if not person.is_admin:
            raise Refused(403, "Only administrators send events again.")
        sent = await request.form()
        if not hmac.compare_digest(str(sent.get(TOKEN, "")).encode(), token_for(secret, person).encode()):
            raise Refused(403, "The form is not from this site, or too old. Load the page again.")
        try:
            asked = AskedErrors.model_validate({name: str(sent[name]) for name in FILTERS if name in sent})
        except ValidationError as error:
            raise Refused(400, "The form is malformed.") from error
        count = await run_in_threadpool(again, site, asked)
        log.warning("%s sent %s again", display(person.name), counted(count, "event"))
        chosen = asked.model_dump(include={*FILTERS} - {"until", "id"})
        return RedirectResponse(root_of(request) + address("/ledger/errors", **chosen, sent=str(count)), 303)

    app.add_api_route(PATH, send_again, methods=["POST"], include_in_schema=False)


def again(site: Site, asked: AskedErrors) -> int:
    """Put errors into the outbox; returns their number. Raises StoreError."""
    ledger = site.config.ledger
    with site.ledger.writing() as connection:
        count, _ = replay(connection, asked.filter, ledger.events_topic if ledger.broker else "")
    return count
