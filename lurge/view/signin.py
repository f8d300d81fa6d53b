"""Signing in: by a password that an LDAP server checks, or at an OpenID Connect provider; and signing out."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from lurge.config.identity import LdapConfig
from lurge.config.serve import OidcConfig
from lurge.errors import IdentityError
from lurge.view.access import SESSION, Refused, Throttle, bind_as
from lurge.view.forms import check_length, check_origin, root_of
from lurge.view.html import render_plain
from lurge.view.person import Person
from lurge.view.site import Site

log = logging.getLogger(__name__)


def add_sign_in(app: FastAPI, site: Site) -> None:
    """Add the routes of signing in and out."""
    config = site.config
    if config.serve.access == "ldap" and config.identity.ldap:
        add_password(app, site, config.identity.ldap)
    elif config.serve.oidc:
        add_provider(app, site, config.serve.oidc)

    async def sign_out(request: Request) -> Response:
        check_origin(request, config.serve.address)
        site.access.sessions.end(request.session.get(SESSION))
        request.session.clear()
        # No redirect: a provider would sign people in again without asking.
        text = render_plain(
            "error.html", root_of(request), site_title=config.serve.title, status="Signed out",
            message="You are signed out.", advice="",
        )  # fmt: skip
        return HTMLResponse(text)

    app.add_api_route("/signout", sign_out, methods=["POST"], include_in_schema=False)


def begin(site: Site, request: Request, person: Person) -> Response:
    """Begin a session and go to the first page."""
    request.session.clear()
    request.session[SESSION] = site.access.sessions.begin(person)
    return RedirectResponse(f"{root_of(request)}/", 303)


def add_password(app: FastAPI, site: Site, server: LdapConfig) -> None:
    """Add the form of name and password."""
    throttle = Throttle()
    serve = site.config.serve

    def form(request: Request, message: str = "", status: int = 200) -> Response:
        text = render_plain("signin.html", root_of(request), site_title=serve.title, message=message)
        return HTMLResponse(text, status)

    async def show(request: Request) -> Response:
        return form(request)

    async def sign_in(request: Request) -> Response:
        check_origin(request, serve.address)
        check_length(request)
        sent = await request.form()
        user, password = str(sent.get("user", "")), str(sent.get("password", ""))
        address = request.client.host if request.client else ""
        throttle.begin(user, address)
        try:
            is_right = await run_in_threadpool(bind_as, server, serve.user_dn, user, password)
        except IdentityError:
            throttle.forget(user, address, is_success=False)
            raise
        if not is_right:
            return form(request, "Name or password are wrong.", 401)
        throttle.forget(user, address, is_success=True)
        return begin(site, request, await run_in_threadpool(site.access.known, user))

    app.add_api_route("/signin", show, methods=["GET"], include_in_schema=False)
    app.add_api_route("/signin", sign_in, methods=["POST"], include_in_schema=False)


def add_provider(app: FastAPI, site: Site, config: OidcConfig) -> None:
    """Add the way to a provider and back: authorization code flow with PKCE, state and nonce."""
    from authlib.integrations.starlette_client import OAuth

    oauth = OAuth()
    oauth.register(
        "provider",
        client_id=config.client_id,
        client_secret=config.client_secret.reveal() if config.client_secret else None,
        server_metadata_url=f"{config.issuer}/.well-known/openid-configuration",
        client_kwargs={"scope": " ".join(config.scopes), "code_challenge_method": "S256"},
    )

    async def sign_in(request: Request) -> Response:
        outside = site.config.serve.address
        target = f"{outside}/signin/done" if outside else str(request.url_for("signed_in"))
        with provider_errors(config):
            response: Response = await oauth.provider.authorize_redirect(request, target)
        return response

    async def signed_in(request: Request) -> Response:
        with provider_errors(config):
            token = await oauth.provider.authorize_access_token(request)
            claims: dict[str, Any] = token.get("userinfo") or {}
            wanted = {config.user_claim, config.groups_claim} - {""}
            if claims and not wanted <= claims.keys():
                more = await oauth.provider.userinfo(token=token)
                claims = {**more, **claims} if more.get("sub") == claims.get("sub") else claims
        user = claims.get(config.user_claim)
        if not isinstance(user, str) or not user:
            raise Refused(401, f"The provider told no {config.user_claim}.")
        groups = claims.get(config.groups_claim)
        told = frozenset(map(str, groups)) if isinstance(groups, list) else frozenset()
        known = site.access.known
        return begin(site, request, await run_in_threadpool(known, user, told if config.groups_claim else None))

    app.add_api_route("/signin", sign_in, methods=["GET"], include_in_schema=False)
    app.add_api_route("/signin/done", signed_in, methods=["GET"], include_in_schema=False, name="signed_in")


@contextmanager
def provider_errors(config: OidcConfig) -> Iterator[None]:
    """Turn errors of Authlib into refusals, and into IdentityError if the provider does not answer as it should."""
    from authlib.integrations.base_client import OAuthError
    from httpx import HTTPError, InvalidURL
    from joserfc.errors import JoseError

    try:
        yield
    except OAuthError as error:
        raise Refused(401, f"The provider refused, or the way to it was not finished: {error.error}.") from error
    except JoseError as error:
        log.warning("%s: the token is refused: %s", config.issuer, error)
        raise Refused(401, "What the provider says about you is not valid.") from error
    except (HTTPError, InvalidURL, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise IdentityError(f"{config.issuer}: {error}", "Look at serve.oidc.issuer.") from error
