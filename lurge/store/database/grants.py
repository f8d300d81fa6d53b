"""Privileges of the user of a MySQL or MariaDB server, from SHOW GRANTS."""

from __future__ import annotations

import re
from collections.abc import Iterable

NEEDED = ("SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP", "INDEX", "REFERENCES")
GRANT = re.compile(r"GRANT (.+?) ON (\*|`(?:[^`]|``)*`|[^`\s.]+)\.\* TO ", re.IGNORECASE | re.DOTALL)
ROLE = re.compile(r"GRANT (?!.* ON ).+ TO ", re.IGNORECASE | re.DOTALL)


def missing_grants(grants: Iterable[str], database: str) -> list[str]:
    """Return the privileges that the user lacks on a database.

    None are returned if the user has a role: its privileges are not shown, so it may grant them.
    """
    given: set[str] = set()
    has_role = False
    for grant in grants:
        if match := GRANT.match(grant):
            if covers(match[2], database):
                given.update(name.strip().upper() for name in match[1].split(","))
        elif ROLE.match(grant):
            has_role = True
    if has_role or given & {"ALL PRIVILEGES", "ALL"}:
        return []
    return [name for name in NEEDED if name not in given]


def covers(pattern: str, database: str) -> bool:
    r"""Return whether the pattern in a grant matches a database. `_` and `%` are wildcards, unless a `\` precedes."""
    if pattern == "*":
        return True
    name = pattern.strip("`").replace("``", "`")
    parts = re.findall(r"\\[_%\\]|.", name, re.DOTALL)
    wild = {"_": ".", "%": ".*"}
    return bool(re.fullmatch("".join(wild.get(part, re.escape(part[-1])) for part in parts), database, re.DOTALL))
