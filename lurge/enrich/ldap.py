"""Names of groups and users, and PIs, from an LDAP server: everything in two paged searches.

Groups (RFC 2307): cn, gidNumber, and on some an attribute that holds the DN of a person, the PI, whose sn counts.
People: uid, uidNumber, sn.
"""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ldap3 import NONE, SUBTREE, Connection, Server, Tls
from ldap3.core.exceptions import LDAPException

from lurge.config.identity import LdapConfig
from lurge.errors import IdentityError
from lurge.model.names import Group
from lurge.model.paths import shown

GROUPS, PEOPLE = "(gidNumber=*)", "(|(uidNumber=*)(sn=*))"
PAGES = "1.2.840.113556.1.4.319"
"""The control of paged results, RFC 2696."""

ADVICE = "Try the same search with `ldapsearch`; the names of an earlier night can stand in (identity.on_failure)."
HOST_ADVICE = "Correct the host in identity.ldap.url, or see why this machine cannot resolve it."
SUCCESS, SIZE_LIMIT = 0, 4

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """One entry: its DN in a form that can be compared, and its attributes, names in lower case."""

    dn: str
    attributes: Mapping[str, Sequence[str]]

    def values(self, name: str) -> list[str]:
        """The values that are not empty, sorted, because servers give them in any order."""
        return sorted({value.strip() for value in self.attributes.get(name.lower(), ())} - {""})

    def number(self, name: str) -> int | None:
        """The one whole number among the values."""
        values = self.values(name)
        if len(values) != 1 or not values[0].isascii() or not values[0].removeprefix("-").isdigit():
            return None
        return int(values[0])

    def name(self, attribute: str) -> str | None:
        """The value that the DN begins with where there are several, else the first."""
        values = self.values(attribute)
        own = [value for value in values if self.dn.startswith(comparable(f"{attribute}={value}"))]
        return next(iter(own or values), None)


def comparable(dn: str) -> str:
    """A DN without what makes no difference: case, spaces around its signs."""
    return re.sub(r"\s*([,=+])\s*", r"\1", dn.strip()).lower()


def read_ldap(config: LdapConfig) -> tuple[dict[int, Group], dict[int, str]]:
    """Groups by gid and users by uid, all that the server has. Raises IdentityError; it never returns a part."""
    try:
        with connected(config) as connection:
            people = list(search(connection, config, config.people_base, PEOPLE, ("uid", "uidNumber", "sn")))
            wanted = ("cn", "gidNumber", config.pi_attribute)
            groups = list(search(connection, config, config.group_base, GROUPS, wanted))
    except (LDAPException, OSError, ssl.SSLError) as error:
        unknown = "invalid server address" in str(error)
        raise IdentityError(f"{config.url}: {error}", HOST_ADVICE if unknown else ADVICE) from error
    for what, found, base in (("people", people, config.people_base), ("groups", groups, config.group_base)):
        if not found:
            # A server that may not tell says so by success without an entry.
            raise IdentityError(f"{config.url}: no {what} below {base}, or none that may be read", ADVICE)
    surnames = {person.dn: surname for person in people if (surname := next(iter(person.values("sn")), None))}
    return name_groups(groups, config.pi_attribute, surnames), name_users(people)


@contextmanager
def connected(config: LdapConfig) -> Iterator[Connection]:
    """A bound connection, closed at the end. Raises IdentityError, LDAPException or OSError."""
    if config.bind_dn and config.password is None:
        raise IdentityError(f"{config.url}: no password for {config.bind_dn}", "Set $LURGE_LDAP_PASSWORD.")
    if config.bind_dn and config.url.startswith("ldap://") and not config.start_tls:
        log.warning("%s: the password travels unencrypted; use ldaps or identity.ldap.start_tls", config.url)
    ca_file = str(config.ca_file) if config.ca_file else None
    tls = Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=ca_file)
    server = Server(config.url, tls=tls, get_info=NONE, connect_timeout=config.timeout)
    connection = Connection(
        server,
        user=config.bind_dn or None,
        password=config.password.reveal() if config.password and config.bind_dn else None,
        receive_timeout=config.timeout,
        auto_referrals=False,
        read_only=True,
    )
    try:
        connection.open()
        if config.start_tls and not connection.start_tls():
            raise IdentityError(f"{config.url}: StartTLS is refused: {answer(connection)}", ADVICE)
        if not connection.bind():
            who = config.bind_dn or "anonymous"
            raise IdentityError(f"{config.url}: {who} is refused: {answer(connection)}", ADVICE)
        yield connection
    finally:
        # Unbinding says goodbye to the server, which may be gone; closing needs nobody.
        if connection.socket:
            connection.socket.close()


def answer(connection: Connection) -> str:
    """What the server said last."""
    result = connection.result or {}
    return f"{result.get('description')} {result.get('message') or ''}".strip()


def search(
    connection: Connection, config: LdapConfig, base: str, condition: str, attributes: Sequence[str]
) -> Iterator[Entry]:
    """Every entry below `base`, page by page. Raises IdentityError where the server does not give all of them."""
    cookie: bytes | None = None
    elsewhere = 0
    while True:
        connection.search(
            base, condition, SUBTREE, attributes=list(attributes), paged_size=config.page_size, paged_cookie=cookie
        )
        result = connection.result
        if result["result"] != SUCCESS:
            more = "; the server does not page" if result["result"] == SIZE_LIMIT else ""
            raise IdentityError(f"{config.url}: search below {base}: {answer(connection)}{more}", ADVICE)
        for found in connection.response or ():
            if found["type"] != "searchResEntry":
                elsewhere += 1
                continue
            values = {name.lower(): [shown(value) for value in raw] for name, raw in found["raw_attributes"].items()}
            yield Entry(comparable(found["dn"]), values)
        cookie = result.get("controls", {}).get(PAGES, {}).get("value", {}).get("cookie")
        if not cookie:
            break
    if elsewhere:
        log.warning("%s: %d referrals to other servers below %s are not followed", config.url, elsewhere, base)


def name_groups(entries: Sequence[Entry], pi_attribute: str, surnames: Mapping[str, str]) -> dict[int, Group]:
    """Groups by gid. Of several with one gid the first by name counts; so does the first PI by name."""
    groups: dict[int, Group] = {}
    unnamed, twice, lost = [], [], []
    named = [(entry.name("cn") or "", entry.number("gidNumber"), entry) for entry in entries]
    for name, gid, entry in sorted(named, key=lambda one: (one[0], one[2].dn)):
        pis = [comparable(value) for value in entry.values(pi_attribute)]
        pi = min((surnames[dn] for dn in pis if dn in surnames), default=None)
        if not name or gid is None:
            unnamed.append(entry.dn)
        elif gid in groups:
            twice.append(f"{name} ({gid}, which is {groups[gid].name})")
        else:
            groups[gid] = Group(name, pi)
            if pis and pi is None:
                lost.append(name)
    report("groups without one cn and one gidNumber are left out", unnamed)
    report("groups share a gid with another one and are left out", twice)
    report("groups have a PI who is not among the people, or has no sn", lost)
    return groups


def name_users(entries: Sequence[Entry]) -> dict[int, str]:
    """Users by uid. Of several with one uid the first by name counts."""
    users: dict[int, str] = {}
    twice = []
    named = [(entry.name("uid"), entry.number("uidNumber")) for entry in entries]
    for name, uid in sorted((name, uid) for name, uid in named if name and uid is not None):
        if uid in users:
            twice.append(f"{name} ({uid}, which is {users[uid]})")
        users.setdefault(uid, name)
    report("users share a uid with another one and are left out", twice)
    return users


def report(what: str, names: Sequence[str]) -> None:
    """Warn of entries, the first few by name."""
    if names:
        log.warning("%d %s: %s%s", len(names), what, ", ".join(names[:3]), ", ..." if len(names) > 3 else "")
