"""Who asks: everybody, whom a proxy names, or who signed in with a password or at a provider.

This is the one place where a request becomes a person. What a person may see follows from it in `Context`.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from starlette.requests import Request

from lurge.config import Config
from lurge.config.identity import LdapConfig
from lurge.enrich.membership import Membership
from lurge.errors import IdentityError, PageError
from lurge.view.person import EVERYBODY, Person

SESSION = "session"
MOST_SESSIONS = 50_000
FAILURES, FAILURE_SECONDS = 5, 900


class Refused(Exception):  # noqa: N818  not an error, but an answer
    """A request is refused. status: of HTTP."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class Access:
    """The rule of a site. `person` is asked for each request."""

    def __init__(self, config: Config) -> None:
        self._serve = config.serve
        self._admins = frozenset(config.serve.admins)
        self._membership = Membership(config.identity)
        self.sessions = Sessions(config.serve.session_minutes * 60)

    @property
    def has_sessions(self) -> bool:
        return self._serve.access in ("ldap", "oidc")

    def person(self, request: Request) -> Person | None:
        """The person who asks; None if they must sign in first. Raises Refused, IdentityError."""
        if self._serve.access == "open":
            return EVERYBODY
        if self._serve.access == "header":
            return self.known(self._named_by_proxy(request))
        return self.sessions.person(request.session.get(SESSION))

    def _named_by_proxy(self, request: Request) -> str:
        address = request.client.host if request.client else ""
        if address not in self._serve.trusted:
            raise Refused(403, "This address is not that of a trusted proxy.")
        names = request.headers.getlist(self._serve.user_header)
        if len(names) != 1 or not names[0].strip():
            raise Refused(401, "The proxy names nobody.")
        return names[0].strip()

    def known(self, user: str, groups: frozenset[str] | None = None) -> Person:
        """A person by name. groups: those that a provider told, if it did. Raises IdentityError."""
        if user in self._admins:
            return Person(user, None)
        return Person(user, self._membership.groups_of(user) if groups is None else groups)


@dataclass(frozen=True)
class Session:
    """A person who signed in, until a time."""

    person: Person
    until: float


class Sessions:
    """The sessions of this server, which end with it."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._open: dict[str, Session] = {}

    def begin(self, person: Person) -> str:
        """Open a session; returns its id."""
        now = time.time()
        if len(self._open) >= MOST_SESSIONS:
            self._open = {key: session for key, session in self._open.items() if session.until > now}
        if len(self._open) >= MOST_SESSIONS:
            raise Refused(503, "Too many people are signed in.")
        key = secrets.token_urlsafe(32)
        self._open[key] = Session(person, now + self._seconds)
        return key

    def person(self, key: object) -> Person | None:
        """The person of a session; None if there is none, or it ended."""
        session = self._open.get(key) if isinstance(key, str) else None
        if session and session.until > time.time():
            return session.person
        return None

    def end(self, key: object) -> None:
        """End a session."""
        if isinstance(key, str):
            self._open.pop(key, None)


class Throttle:
    """Failed attempts to sign in, by address and by name. Too many of either are refused for a while."""

    def __init__(self) -> None:
        self._failures: dict[tuple[str, str], list[float]] = {}

    def check(self, *keys: tuple[str, str]) -> None:
        """Raise Refused after too many failures."""
        now = time.monotonic()
        for key in keys:
            recent = [at for at in self._failures.get(key, ()) if now - at < FAILURE_SECONDS]
            if len(recent) >= FAILURES:
                raise Refused(429, "Too many attempts. Try again in a quarter of an hour.")

    def fail(self, *keys: tuple[str, str]) -> None:
        """Note a failure."""
        now = time.monotonic()
        if len(self._failures) > MOST_SESSIONS:
            self._failures = {key: times for key, times in self._failures.items() if now - times[-1] < FAILURE_SECONDS}
        for key in keys:
            self._failures[key] = [*self._failures.get(key, ())[-FAILURES:], now]

    def forget(self, *keys: tuple[str, str]) -> None:
        """Forget failures after a success."""
        for key in keys:
            self._failures.pop(key, None)


def bind_as(config: LdapConfig | None, pattern: str, user: str, password: str) -> bool:
    """True if an LDAP server accepts a person's password. pattern: of the DN. Raises IdentityError, PageError."""
    if config is None:
        raise PageError("[identity.ldap] is not set", "Name the server there.")
    # An empty password would bind as nobody, which servers allow.
    if not user or not password or "\0" in user + password:
        return False
    try:
        from ldap3.core.exceptions import LDAPException
        from ldap3.utils.dn import escape_rdn

        from lurge.enrich.ldap import accepts
    except ImportError as error:
        raise IdentityError(f"LDAP is configured: {error}", "Install lurge[ldap].") from error
    dn = pattern.format(user=escape_rdn(user), people_base=config.people_base)
    try:
        return accepts(config, dn, password)
    except (LDAPException, OSError) as error:
        raise IdentityError(f"{config.url}: {error}") from error
