"""Names of groups and users, and PIs, from an LDAP server, by two paged searches.

Attributes of groups (RFC 2307): cn, gidNumber, and for some groups an attribute with the DN of the PI. The PI's name is
the sn of that person. Attributes of people: uid, uidNumber, sn.
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
"""The OID of the control for paged results, RFC 2696."""

ADVICE = "Try the same search with `ldapsearch`. identity.on_failure can allow the names of an earlier night instead."
HOST_ADVICE = "Correct the host in identity.ldap.url, or find out why this machine cannot resolve it."
SUCCESS, SIZE_LIMIT = 0, 4

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """An entry: its DN in comparable form, and its attributes by name in lower case."""

    dn: str
    attributes: Mapping[str, Sequence[str]]

    def values(self, name: str) -> list[str]:
        """The non-empty values, sorted, because servers return them in any order."""
        return sorted({value.strip() for value in self.attributes.get(name.lower(), ())} - {""})

    def number(self, name: str) -> int | None:
        """The value as a whole number; None unless there is exactly one value and it is a number."""
        values = self.values(name)
        if len(values) != 1 or not values[0].isascii() or not values[0].removeprefix("-").isdigit():
            return None
        return int(values[0])

    def name(self, attribute: str) -> str | None:
        """The value with which the DN begins, else the first value; None if there is none."""
        values = self.values(attribute)
        own = [value for value in values if self.dn.startswith(comparable(f"{attribute}={value}"))]
        return next(iter(own or values), None)


def comparable(dn: str) -> str:
    """A DN in a form that can be compared: lower case, without spaces around its separators."""
    return re.sub(r"\s*([,=+])\s*", r"\1", dn.strip()).lower()


def read_ldap(config: LdapConfig) -> tuple[dict[int, Group], dict[int, str]]:
    """All groups by gid and all users by uid. Raises IdentityError if the server does not return all of them."""
    try:
        with connected(config) as connection:
            people = list(search(connection, config, config.people_base, PEOPLE, ("uid", "uidNumber", "sn")))
            attributes = ("cn", "gidNumber", config.pi_attribute)
            groups = list(search(connection, config, config.group_base, GROUPS, attributes))
    except (LDAPException, OSError, ssl.SSLError) as error:
        unknown = "invalid server address" in str(error)
        raise IdentityError(f"{config.url}: {error}", HOST_ADVICE if unknown else ADVICE) from error
    for kind, entries, base in (("people", people, config.people_base), ("groups", groups, config.group_base)):
        if not entries:
            # A server that denies access may answer with success and no entries.
            raise IdentityError(f"{config.url}: no {kind} below {base}, or none that this user may read", ADVICE)
    surnames = {person.dn: surname for person in people if (surname := next(iter(person.values("sn")), None))}
    return name_groups(groups, config.pi_attribute, surnames), name_users(people)


@contextmanager
def connected(config: LdapConfig) -> Iterator[Connection]:
    """A bound connection, closed at the end. Raises IdentityError, LDAPException or OSError."""
    if config.bind_dn and config.password is None:
        raise IdentityError(f"{config.url}: no password for {config.bind_dn}", "Set $LURGE_LDAP_PASSWORD.")
    if config.bind_dn and config.url.startswith("ldap://") and not config.start_tls:
        log.warning("%s: the password is sent unencrypted; use ldaps or identity.ldap.start_tls", config.url)
    server = server_of(config)
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
            user = config.bind_dn or "anonymous"
            raise IdentityError(f"{config.url}: {user} is refused: {answer(connection)}", ADVICE)
        yield connection
    finally:
        # Unbinding would send a message to the server, which may be gone. Closing the socket does not.
        if connection.socket:
            connection.socket.close()


def server_of(config: LdapConfig) -> Server:
    """The server, whose certificate is verified."""
    ca_file = str(config.ca_file) if config.ca_file else None
    tls = Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=ca_file)
    return Server(config.url, tls=tls, get_info=NONE, connect_timeout=config.timeout)


def accepts(config: LdapConfig, dn: str, password: str) -> bool:
    """True if the server lets a DN bind with a password. Raises IdentityError, LDAPException or OSError."""
    connection = Connection(
        server_of(config), user=dn, password=password, receive_timeout=config.timeout, auto_referrals=False,
        read_only=True,
    )  # fmt: skip
    try:
        connection.open()
        if config.start_tls and not connection.start_tls():
            raise IdentityError(f"{config.url}: StartTLS is refused: {answer(connection)}", ADVICE)
        return bool(connection.bind())
    finally:
        if connection.socket:
            connection.socket.close()


def answer(connection: Connection) -> str:
    """The last answer of the server, in words."""
    result = connection.result or {}
    return f"{result.get('description')} {result.get('message') or ''}".strip()


def search(
    connection: Connection, config: LdapConfig, base: str, condition: str, attributes: Sequence[str]
) -> Iterator[Entry]:
    """Every entry below `base`, page by page. Raises IdentityError if the server does not return all of them."""
    cookie: bytes | None = None
    referrals = 0
    while True:
        connection.search(
            base, condition, SUBTREE, attributes=list(attributes), paged_size=config.page_size, paged_cookie=cookie
        )
        result = connection.result
        if result["result"] != SUCCESS:
            more = "; the server does not support paging" if result["result"] == SIZE_LIMIT else ""
            raise IdentityError(f"{config.url}: search below {base}: {answer(connection)}{more}", ADVICE)
        for item in connection.response or ():
            if item["type"] != "searchResEntry":
                referrals += 1
                continue
            values = {name.lower(): [shown(value) for value in raw] for name, raw in item["raw_attributes"].items()}
            yield Entry(comparable(item["dn"]), values)
        cookie = result.get("controls", {}).get(PAGES, {}).get("value", {}).get("cookie")
        if not cookie:
            break
    if referrals:
        log.warning("%s: %d referrals to other servers below %s are not followed", config.url, referrals, base)


def name_groups(entries: Sequence[Entry], pi_attribute: str, surnames: Mapping[str, str]) -> dict[int, Group]:
    """Groups by gid. If several groups share a gid, the first by name counts. The same applies to PIs of a group."""
    groups: dict[int, Group] = {}
    unnamed, duplicates, without_pi = [], [], []
    named = [(entry.name("cn") or "", entry.number("gidNumber"), entry) for entry in entries]
    for name, gid, entry in sorted(named, key=lambda row: (row[0], row[2].dn)):
        pis = [comparable(value) for value in entry.values(pi_attribute)]
        pi = min((surnames[dn] for dn in pis if dn in surnames), default=None)
        if not name or gid is None:
            unnamed.append(entry.dn)
        elif gid in groups:
            duplicates.append(f"{name} ({gid}, which is {groups[gid].name})")
        else:
            groups[gid] = Group(name, pi)
            if pis and pi is None:
                without_pi.append(name)
    report("groups without a cn and exactly one gidNumber are left out", unnamed)
    report("groups share a gid with another group and are left out", duplicates)
    report("groups have a PI who is not among the people or has no sn", without_pi)
    return groups


def name_users(entries: Sequence[Entry]) -> dict[int, str]:
    """Users by uid. If several users share a uid, the first by name counts."""
    users: dict[int, str] = {}
    duplicates = []
    named = [(entry.name("uid"), entry.number("uidNumber")) for entry in entries]
    for name, uid in sorted((name, uid) for name, uid in named if name and uid is not None):
        if uid in users:
            duplicates.append(f"{name} ({uid}, which is {users[uid]})")
        users.setdefault(uid, name)
    report("users share a uid with another user and are left out", duplicates)
    return users


def report(problem: str, names: Sequence[str]) -> None:
    """Warn about entries: their number, the problem, and the first few names."""
    if names:
        log.warning("%d %s: %s%s", len(names), problem, ", ".join(names[:3]), ", ..." if len(names) > 3 else "")
