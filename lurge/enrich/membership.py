"""The groups that a person is in, from the machine, from a file or from LDAP."""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from lurge.config.identity import IdentityConfig, LdapConfig
from lurge.enrich.identity import Names, NssIdentity, TableIdentity, read_tsv
from lurge.errors import IdentityError

if TYPE_CHECKING:
    from lurge.enrich.ldap import Entry

SECONDS_KNOWN = 300
MOST_KNOWN = 10_000


class Membership:
    """The names of the groups of people, remembered for some minutes."""

    def __init__(self, config: IdentityConfig) -> None:
        self._ask: Callable[[str], frozenset[str]] = asker_of(config)
        self._known: dict[str, tuple[float, frozenset[str]]] = {}

    def groups_of(self, user: str) -> frozenset[str]:
        """The names of a person's groups; empty for somebody who is not known. Raises IdentityError."""
        at, groups = self._known.get(user, (-1.0, frozenset()))
        if at < 0 or time.monotonic() - at > SECONDS_KNOWN:
            groups = self._ask(user)
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[user] = time.monotonic(), groups
        return groups


def asker_of(config: IdentityConfig) -> Callable[[str], frozenset[str]]:
    """The function that asks the configured provider."""
    if config.provider == "ldap" and config.ldap:
        ldap = config.ldap
        return lambda user: groups_in_ldap(ldap, user)
    if config.provider == "files":
        return lambda user: groups_in_file(config, user)
    return groups_of_machine


def groups_of_machine(user: str) -> frozenset[str]:
    """The groups of a user of this machine."""
    try:
        account = pwd.getpwnam(user)
        gids = os.getgrouplist(account.pw_name, account.pw_gid)
    except (KeyError, ValueError):
        return frozenset()
    names = Names(NssIdentity())
    return frozenset(names.group(gid).name for gid in gids)


def groups_in_file(config: IdentityConfig, user: str) -> frozenset[str]:
    """The groups of a user in the file of members. Raises IdentityError."""
    if config.files.members is None:
        raise IdentityError("identity.files.members is not set", "Name a TSV of user name and group name.")
    rows = read_tsv(config.files.members, 2)
    return frozenset(group for name, group in rows if name == user)


def groups_in_ldap(config: LdapConfig, user: str) -> frozenset[str]:
    """The groups of a user in LDAP: those with a `memberUid`, and the one of their gidNumber. Raises IdentityError.

    They have the names under which reports store them: if several gids have a name, only one of them has it alone.
    """
    try:
        from ldap3.core.exceptions import LDAPException
        from ldap3.utils.conv import escape_filter_chars

        from lurge.enrich.ldap import connected, name_groups, search
    except ImportError as error:
        raise IdentityError(f"LDAP is configured: {error}", "Install lurge[ldap].") from error
    name = escape_filter_chars(user)
    try:
        with connected(config) as connection:

            def find(*conditions: str) -> list[Entry]:
                either = f"(|{''.join(conditions)})"
                return list(search(connection, config, config.group_base, either, ("cn", "gidNumber")))

            people = list(search(connection, config, config.people_base, f"(uid={name})", ("uid", "gidNumber")))
            own = sorted(numbers_of(people))
            entries = find(f"(memberUid={name})", *(f"(gidNumber={gid})" for gid in own))
            gids = numbers_of(entries)
            # What a group is called follows from those that share its name or its gid, and from what these share.
            same: list[Entry] = []
            while len(same) < len(entries):
                same, names = entries, {cn for entry in entries for cn in entry.values("cn")}
                entries = find(
                    *(f"(cn={escape_filter_chars(cn)})" for cn in sorted(names)),
                    *(f"(gidNumber={gid})" for gid in sorted(numbers_of(entries))),
                )
    except (LDAPException, OSError) as error:
        raise IdentityError(f"{config.url}: {error}") from error
    known = name_groups(entries, config.pi_attribute, {})
    stored = Names(TableIdentity(known, {}))
    return frozenset(stored.group(gid).name for gid in sorted(known) if gid in gids)


def numbers_of(entries: Iterable[Entry]) -> set[int]:
    """The gids of entries of LDAP."""
    return {gid for entry in entries if (gid := entry.number("gidNumber")) is not None}
