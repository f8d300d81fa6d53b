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
from lurge.errors import IdentityError, UsageError
from lurge.view.person import EVERYBODY, Person

SESSION = "session"
MOST_SESSIONS = 50_000
FAILURES = {"user": 5, "address": 50}
"""Failed attempts to sign in, after which a name, and an address, are refused. Behind a proxy all share its address."""

FAILURE_SECONDS = 900


class Refused(Exception):  # noqa: N818  not an error, but an answer
    """A request is refused. status: of HTTP."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class Access:
    """The rule of a site. `person` is asked for each request.

    Raises UsageError if the configuration is not complete.
    """

    def __init__(self, config: Config) -> None:
        check_complete(config)
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
    """Failed attempts to sign in, by name and by address. Too many of either are refused for a while."""

    def __init__(self) -> None:
        self._failures: dict[tuple[str, str], list[float]] = {}

    def begin(self, user: str, address: str) -> None:
        """Note an attempt as failed until `forget` is called, so that many at once count. Raises Refused."""
        now = time.monotonic()
        keys = keys_of(user, address)
        for key in keys:
            recent = [at for at in self._failures.get(key, ()) if now - at < FAILURE_SECONDS]
            if len(recent) >= FAILURES[key[0]]:
                raise Refused(429, "Too many attempts. Try again in a quarter of an hour.")
        if len(self._failures) > MOST_SESSIONS:
            self._failures = {key: times for key, times in self._failures.items() if now - times[-1] < FAILURE_SECONDS}
        for key in keys:
            self._failures[key] = [*self._failures.get(key, ())[-FAILURES[key[0]] :], now]

    def forget(self, user: str, address: str, is_success: bool) -> None:
        """Forget an attempt that did not fail; after a success, also what failed before under this name."""
        for key in keys_of(user, address):
            times = [] if is_success and key[0] == "user" else self._failures.get(key, [])[:-1]
            self._failures[key] = times
            if not times:
                del self._failures[key]


def keys_of(user: str, address: str) -> tuple[tuple[str, str], ...]:
    """What attempts are counted by. LDAP does not tell names apart by case or outer spaces."""
    return ("user", " ".join(user.casefold().split())), ("address", address)


def check_complete(config: Config) -> None:
    """Raise UsageError if it is not configured who people are, or which groups they are in."""
    serve, identity = config.serve, config.identity
    if serve.access == "ldap" and identity.ldap is None:
        raise UsageError('serve.access is "ldap", but [identity.ldap] is not set', "Name the server there.")
    tells_groups = serve.access == "oidc" and serve.oidc and serve.oidc.groups_claim
    if serve.access == "open" or tells_groups:
        return
    if identity.provider == "files" and identity.files.members is None:
        raise UsageError(
            "identity.files.members is not set, so nobody would see anything", "Name a TSV of user name and group name."
        )


def bind_as(config: LdapConfig, pattern: str, user: str, password: str) -> bool:
    """True if an LDAP server accepts a person's password. pattern: of the DN. Raises IdentityError."""
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
