"""Names of groups and users, and the PIs of groups, from the machine, from files or from LDAP."""

from __future__ import annotations

import grp
import logging
import os
import pwd
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from lurge.config.identity import IdentityConfig, LdapConfig
from lurge.enrich.last_names import age, keep, recall
from lurge.errors import IdentityError, permission_advice
from lurge.model.names import Group, storable_name
from lurge.model.paths import shown
from lurge.model.rules import PseudoGroup

log = logging.getLogger(__name__)


Numbers = Collection[int]


class Identity(Protocol):
    """A source of names. Every method returns None for a number or name that it does not know."""

    def group(self, gid: int) -> Group | None:
        """The group of a gid."""

    def user(self, uid: int) -> str | None:
        """The name of a uid."""

    def gid_of(self, name: str, excluded: Numbers = ()) -> int | None:
        """The gid of the group with this name. Gids in `excluded` are ignored."""

    def uid_of(self, name: str) -> int | None:
        """The uid of the user with this name."""


class NssIdentity:
    """The machine's own users and groups, without PIs. Bytes of names that are not UTF-8 are shown as `\\xHH`."""

    def group(self, gid: int) -> Group | None:
        try:
            return Group(shown(os.fsencode(grp.getgrgid(gid).gr_name)), None)
        except (KeyError, OverflowError):
            return None

    def user(self, uid: int) -> str | None:
        try:
            return shown(os.fsencode(pwd.getpwuid(uid).pw_name))
        except (KeyError, OverflowError):
            return None

    def gid_of(self, name: str, excluded: Numbers = ()) -> int | None:
        gid = look_up(lambda text: grp.getgrnam(text).gr_gid, name)
        if gid not in excluded:
            return gid
        others = (group.gr_gid for group in grp.getgrall() if shown(os.fsencode(group.gr_name)) == name)
        return min((gid for gid in others if gid not in excluded), default=None)

    def uid_of(self, name: str) -> int | None:
        return look_up(lambda text: pwd.getpwnam(text).pw_uid, name)


def look_up(number_of: Callable[[str], int], name: str) -> int | None:
    """The number of a name: as it is, else with each `\\xHH` turned back into its byte. None if neither exists."""
    encoded = name.encode("utf-8", "surrogateescape")
    raw = re.sub(rb"\\x([0-9a-f]{2})", lambda match: bytes([int(match[1], 16)]), encoded)
    for text in (name, os.fsdecode(raw)):
        with suppress(KeyError, ValueError):
            return number_of(text)
    return None


class TableIdentity:
    """Names from tables in memory."""

    def __init__(self, groups: Mapping[int, Group], users: Mapping[int, str]) -> None:
        self._groups = groups
        self._users = users
        self._gids = invert({gid: group.name for gid, group in groups.items()})
        self._uids = invert(users)

    def group(self, gid: int) -> Group | None:
        return self._groups.get(gid)

    def user(self, uid: int) -> str | None:
        return self._users.get(uid)

    def gid_of(self, name: str, excluded: Numbers = ()) -> int | None:
        return next((gid for gid in self._gids.get(name, ()) if gid not in excluded), None)

    def uid_of(self, name: str) -> int | None:
        return next(iter(self._uids.get(name, ())), None)


def invert(names: Mapping[int, str]) -> dict[str, list[int]]:
    """The numbers of each name, the lowest first."""
    numbers: dict[str, list[int]] = {}
    for number, name in sorted(names.items()):
        numbers.setdefault(name, []).append(number)
    return numbers


def read_files(groups_file: Path, users_file: Path) -> TableIdentity:
    """Read two TSV files: gid, name, PI (may be empty or missing); and uid, name. The first line of a number counts."""
    groups: dict[int, Group] = {}
    for number, name, *pi in read_names(groups_file, max_columns=3):
        groups.setdefault(int(number), Group(name, pi[0] or None if pi else None))
    users: dict[int, str] = {}
    for number, name in read_names(users_file, max_columns=2):
        users.setdefault(int(number), name)
    return TableIdentity(groups, users)


def read_names(file: Path, max_columns: int) -> Iterable[list[str]]:
    """The columns of every line: a whole number, a name, and others. Raises IdentityError with the line number."""
    for number, columns in numbered_lines(file):
        if not 2 <= len(columns) <= max_columns or not is_number(columns[0]) or not columns[1]:
            raise IdentityError(f"{file}:{number}: expected a number, a name, and at most {max_columns} columns")
        yield columns


def read_tsv(file: Path, count: int) -> Iterable[list[str]]:
    """The columns of every line, of which there are `count`. Raises IdentityError with the line number."""
    for number, columns in numbered_lines(file):
        if len(columns) != count or not all(columns):
            raise IdentityError(f"{file}:{number}: expected {count} columns")
        yield columns


def numbered_lines(file: Path) -> Iterable[tuple[int, list[str]]]:
    """The number and the columns of every line that is not empty. Raises IdentityError."""
    try:
        text = shown(file.read_bytes().removeprefix(BOM_UTF8))
    except OSError as error:
        raise IdentityError(f"{file}: {error.strerror}", permission_advice(error)) from error
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, [column.strip() for column in line.split("\t")]


def is_number(text: str) -> bool:
    digits = text.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) <= 18


def make_identity(config: IdentityConfig) -> Identity:
    """The configured provider. Raises IdentityError if its names cannot be read."""
    if config.provider == "ldap" and config.ldap:
        return ask_ldap(config, config.ldap)
    if config.provider == "files" and config.files.groups and config.files.users:
        return read_files(config.files.groups, config.files.users)
    return NssIdentity()


def ldap_reader() -> Callable[[LdapConfig], tuple[dict[int, Group], dict[int, str]]]:
    """The function that reads groups and users from a server. Raises IdentityError if its library is missing."""
    try:
        from lurge.enrich.ldap import read_ldap
    except ImportError as error:
        raise IdentityError(f"identity.provider is ldap: {error}", "Install lurge[ldap].") from error
    return read_ldap


def ask_ldap(config: IdentityConfig, ldap: LdapConfig) -> Identity:
    """The names of the server. If it fails and `on_failure` allows that, the last names that it gave."""
    read = ldap_reader()
    try:
        groups, users = read(ldap)
    except IdentityError as error:
        if config.on_failure == "fail":
            raise
        try:
            (groups, users), written = recall(config.cache, ldap.url)
        except IdentityError as cache_error:
            raise IdentityError(f"{error.message}; {cache_error.message}", error.advice) from error
        log.warning("%s; going on with the names of %s ago (%s)", error.message, age(written), config.cache)
    else:
        keep(config.cache, ldap.url, groups, users)
    return TableIdentity(groups, users)


class Names:
    """Names as they are stored. No two numbers share a name, and a number without a name is stored as text."""

    def __init__(self, identity: Identity, pseudo_groups: Sequence[PseudoGroup] = ()) -> None:
        self.identity = identity
        self._pseudo_groups = pseudo_groups
        self._renamed = frozenset(pseudo.gid for pseudo in pseudo_groups)
        self._groups: dict[str, int] = {}
        self._users: dict[str, int] = {}

    def group(self, gid: int) -> Group:
        """The group of a gid. The name and PI of a pseudo group take precedence."""
        pseudo = next((pseudo for pseudo in self._pseudo_groups if pseudo.gid == gid), None)
        group = Group(pseudo.name, pseudo.pi) if pseudo else self.identity.group(gid) or Group(str(gid), None)
        name = distinct(group.name, gid, self._gid_of, self._groups)
        return Group(name, group.pi and storable_name(group.pi))

    def known_as(self, gid: int) -> str:
        """A group's name in other sources, such as quotas: its own name, without an added number. Else its gid."""
        pseudo = next((pseudo.name for pseudo in self._pseudo_groups if pseudo.gid == gid), None)
        group = self.identity.group(gid)
        return pseudo or (group.name if group else str(gid))

    def user(self, uid: int) -> str:
        """The name of a uid."""
        return distinct(self.identity.user(uid) or str(uid), uid, self.identity.uid_of, self._users)

    def _gid_of(self, name: str) -> int | None:
        gid = self.identity.gid_of(name, self._renamed)
        if gid is not None:
            return gid
        return next((pseudo.gid for pseudo in self._pseudo_groups if pseudo.name == name), None)


def distinct(name: str, number: int, owner_of: Callable[[str], int | None], assigned: dict[str, int]) -> str:
    """A storable form of `name`. While the name belongs to another number, ` (number)` is appended.

    owner_of: the number of a name, None if unknown. assigned: the names assigned so far, by which two numbers stay
    apart even if the identity provider does not know all of its names. The new name is added.
    """
    while owner_of(name) not in (None, number) or assigned.get(storable_name(name), number) != number:
        name = f"{name} ({number})"
    assigned[storable_name(name)] = number
    return storable_name(name)
