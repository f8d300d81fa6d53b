"""Names of groups and users, and the PIs of groups: from the machine, from files, from LDAP."""

from __future__ import annotations

import grp
import logging
import pwd
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lurge.config.settings import IdentityConfig, LdapConfig
from lurge.enrich.last_names import age, keep, recall
from lurge.errors import IdentityError
from lurge.model.names import Group
from lurge.model.rules import PseudoGroup

log = logging.getLogger(__name__)


class Identity(Protocol):
    """Where names come from; every method returns None for what it does not know."""

    def group(self, gid: int) -> Group | None:
        """The group of a gid."""

    def user(self, uid: int) -> str | None:
        """The name of a uid."""

    def gid_of(self, name: str) -> int | None:
        """The gid that a group's name stands for."""

    def uid_of(self, name: str) -> int | None:
        """The uid that a user's name stands for."""


class NssIdentity:
    """The machine's own users and groups; they have no PIs."""

    def group(self, gid: int) -> Group | None:
        try:
            return Group(grp.getgrgid(gid).gr_name, None)
        except (KeyError, OverflowError):
            return None

    def user(self, uid: int) -> str | None:
        try:
            return pwd.getpwuid(uid).pw_name
        except (KeyError, OverflowError):
            return None

    def gid_of(self, name: str) -> int | None:
        try:
            return grp.getgrnam(name).gr_gid
        except (KeyError, ValueError):
            return None

    def uid_of(self, name: str) -> int | None:
        try:
            return pwd.getpwnam(name).pw_uid
        except (KeyError, ValueError):
            return None


class TableIdentity:
    """Names that were all read before."""

    def __init__(self, groups: Mapping[int, Group], users: Mapping[int, str]) -> None:
        self._groups = groups
        self._users = users
        self._gids = invert({gid: group.name for gid, group in groups.items()})
        self._uids = invert(users)

    def group(self, gid: int) -> Group | None:
        return self._groups.get(gid)

    def user(self, uid: int) -> str | None:
        return self._users.get(uid)

    def gid_of(self, name: str) -> int | None:
        return self._gids.get(name)

    def uid_of(self, name: str) -> int | None:
        return self._uids.get(name)


def invert(names: Mapping[int, str]) -> dict[str, int]:
    """Which number each name stands for: the lowest of several."""
    return {name: number for number, name in sorted(names.items(), reverse=True)}


def read_files(groups_file: Path, users_file: Path) -> TableIdentity:
    """Two TSV files: gid, name, PI (may be empty or missing), and uid, name. A number's first line counts."""
    groups: dict[int, Group] = {}
    for number, name, *pi in read_names(groups_file, most_columns=3):
        groups.setdefault(int(number), Group(name, pi[0] or None if pi else None))
    users: dict[int, str] = {}
    for number, name in read_names(users_file, most_columns=2):
        users.setdefault(int(number), name)
    return TableIdentity(groups, users)


def read_names(file: Path, most_columns: int) -> Iterable[list[str]]:
    """The columns of every line, a whole number first and a name second. Raises IdentityError with the line."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise IdentityError(f"{file}: {getattr(error, 'strerror', None) or error}") from error
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        columns = [column.strip() for column in line.split("\t")]
        if not 2 <= len(columns) <= most_columns or not is_number(columns[0]) or not columns[1]:
            raise IdentityError(f"{file}:{number}: expected a number, a name, and at most {most_columns} columns")
        yield columns


def is_number(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) <= 18


def make_identity(config: IdentityConfig) -> Identity:
    """The configured provider. Raises IdentityError where its names cannot be read."""
    if config.provider == "ldap" and config.ldap:
        return ask_ldap(config, config.ldap)
    if config.provider == "files" and config.groups and config.users:
        return read_files(config.groups, config.users)
    return NssIdentity()


def ldap_reader() -> Callable[[LdapConfig], tuple[dict[int, Group], dict[int, str]]]:
    """What reads groups by gid and users by uid from a server. Raises IdentityError where its library is missing."""
    try:
        from lurge.enrich.ldap import read_ldap
    except ImportError as error:
        raise IdentityError(f"identity.provider is ldap: {error}", "Install lurge[ldap].") from error
    return read_ldap


def ask_ldap(config: IdentityConfig, ldap: LdapConfig) -> Identity:
    """The names that the server gives, or, where the configuration lets it go on without, the last that it gave."""
    read = ldap_reader()
    try:
        groups, users = read(ldap)
    except IdentityError as error:
        if config.on_failure == "fail":
            raise
        try:
            (groups, users), written = recall(config.cache, ldap.url)
        except IdentityError as second:
            raise IdentityError(f"{error.message}; {second.message}", error.advice) from error
        log.warning("%s; going on with the names of %s ago (%s)", error.message, age(written), config.cache)
    else:
        keep(config.cache, ldap.url, groups, users)
    return TableIdentity(groups, users)


@dataclass(frozen=True)
class Names:
    """Names as they are stored: no two numbers share one, and a number without a name is its own."""

    identity: Identity
    pseudo_groups: tuple[PseudoGroup, ...] = ()

    def group(self, gid: int) -> Group:
        """The group of a gid; a pseudo group's own name and PI win."""
        for pseudo in self.pseudo_groups:
            if pseudo.gid == gid:
                return Group(self._distinct(pseudo.name, gid, self._gid_of), pseudo.pi)
        known = self.identity.group(gid)
        if known is None:
            return Group(self._distinct(str(gid), gid, self._gid_of), None)
        return Group(self._distinct(known.name, gid, self._gid_of), known.pi)

    def known_as(self, gid: int) -> str:
        """What other sources call a group: its own name, which may not be the distinct one; its number without one."""
        pseudo = next((pseudo.name for pseudo in self.pseudo_groups if pseudo.gid == gid), None)
        known = self.identity.group(gid)
        return pseudo or (known.name if known else str(gid))

    def user(self, uid: int) -> str:
        """The name of a uid."""
        return self._distinct(self.identity.user(uid) or str(uid), uid, self.identity.uid_of)

    def _gid_of(self, name: str) -> int | None:
        known = self.identity.gid_of(name)
        if known is not None and not any(pseudo.gid == known for pseudo in self.pseudo_groups):
            return known
        return next((pseudo.gid for pseudo in self.pseudo_groups if pseudo.name == name), None)

    @staticmethod
    def _distinct(name: str, number: int, owner_of: Callable[[str], int | None]) -> str:
        """`name`, followed by the number where the name stands for another one, until it is no other's."""
        while owner_of(name) not in (None, number):
            name = f"{name} ({number})"
        return name
