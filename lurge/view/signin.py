"""Signing in: by a password that an LDAP server checks, or at an OpenID Connect provider; and signing out."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from lurge.config.serve import OidcConfig
from lurge.errors import IdentityError
from lurge.view.access import SESSION, Refused, Throttle, bind_as
from lurge.view.html import render_plain
from lurge.view.person import Person
from lurge.view.site import Site

LONGEST = 1024
"""Bytes of a form to sign in, at most."""


def add_sign_in(app: FastAPI, site: Site) -> None:
    """Add the routes of signing in and out."""
    if site.config.serve.access == "ldap":
        add_password(app, site)
    elif site.config.serve.oidc:
        add_provider(app, site, site.config.serve.oidc)

    async def sign_out(request: Request) -> Response:
        check_origin(request)
        site.access.sessions.end(request.session.get(SESSION))
        request.session.clear()
        return RedirectResponse(f"{root_of(request)}/signin", 303)

    app.add_api_route("/signout", sign_out, methods=["POST"], include_in_schema=False)


def root_of(request: Request) -> str:
    return str(request.scope.get("root_path", ""))


def check_origin(request: Request) -> None:
    """Raise Refused for a form that another site sent."""
    origin = request.headers.get("origin")
    if origin and origin.partition("//")[2] != request.headers.get("host"):
        raise Refused(403, "The form came from another site.")


def begin(site: Site, request: Request, person: Person) -> Response:
    """Begin a session and go to the first page."""
    request.session.clear()
    request.session[SESSION] = site.access.sessions.begin(person)
    return RedirectResponse(f"{root_of(request)}/", 303)


def add_password(app: FastAPI, site: Site) -> None:
    """Add the form of name and password."""
    throttle = Throttle()
    config = site.config

    def form(request: Request, message: str = "", status: int = 200) -> Response:
        text = render_plain("signin.html", root_of(request), site_title=config.serve.title, message=message)
        return HTMLResponse(text, status)

    async def show(request: Request) -> Response:
        return form(request)

    async def sign_in(request: Request) -> Response:
        check_origin(request)
        if int(request.headers.get("content-length") or 0) > LONGEST:
            raise Refused(413, "The form is too long.")
        sent = await request.form()
        user, password = str(sent.get("user", "")), str(sent.get("password", ""))
        keys = ("address", request.client.host if request.client else ""), ("user", user)
        throttle.check(*keys)
        # Counted before the server is asked, so that many attempts at once are counted, too.
        throttle.fail(*keys)
        if not await run_in_threadpool(bind_as, config.identity.ldap, config.serve.user_dn, user, password):
            return form(request, "Name or password are wrong.", 401)
        throttle.forget(*keys)
        return begin(site, request, await run_in_threadpool(site.access.known, user))

    app.add_api_route("/signin", show, methods=["GET"], include_in_schema=False)
    app.add_api_route("/signin", sign_in, methods=["POST"], include_in_schema=False)


def add_provider(app: FastAPI, site: Site, config: OidcConfig) -> None:
    """Add the way to a provider and back: authorization code flow with PKCE, state and nonce."""
    from authlib.integrations.base_client import OAuthError
    from authlib.integrations.starlette_client import OAuth
    from httpx import HTTPError

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
        try:
            response: Response = await oauth.provider.authorize_redirect(request, target)
        except (HTTPError, OAuthError) as error:
            raise IdentityError(f"{config.issuer}: {error}") from error
        return response

    async def signed_in(request: Request) -> Response:
        try:
            token = await oauth.provider.authorize_access_token(request)
        except OAuthError as error:
            raise Refused(401, f"The provider refused: {error.error}.") from error
        except HTTPError as error:
            raise IdentityError(f"{config.issuer}: {error}") from error
        claims: dict[str, Any] = token.get("userinfo") or {}
        user = claims.get(config.user_claim)
        if not isinstance(user, str) or not user:
            raise Refused(401, f"The provider told no {config.user_claim}.")
        groups = claims.get(config.groups_claim) if config.groups_claim else None
        told = frozenset(map(str, groups)) if isinstance(groups, list) else None
        if config.groups_claim and told is None:
            told = frozenset()
        return begin(site, request, await run_in_threadpool(site.access.known, user, told))

    app.add_api_route("/signin", sign_in, methods=["GET"], include_in_schema=False)
    app.add_api_route("/signin/done", signed_in, methods=["GET"], include_in_schema=False, name="signed_in")
