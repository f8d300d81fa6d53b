"""Privileges of the user of a MySQL or MariaDB server, as SHOW GRANTS tells them."""

from __future__ import annotations

import re
from collections.abc import Iterable

NEEDED = ("SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP", "INDEX", "REFERENCES")
GRANT = re.compile(r"GRANT (.+?) ON (\*|`(?:[^`]|``)*`|[^`\s.]+)\.\* TO ", re.IGNORECASE | re.DOTALL)
ROLE = re.compile(r"GRANT (?!.* ON ).+ TO ", re.IGNORECASE | re.DOTALL)


def missing_grants(grants: Iterable[str], database: str) -> list[str]:
    """The privileges that the user lacks on a database; none where a role, whose own are not shown, may give them."""
    given: set[str] = set()
    has_role = False
    for grant in grants:
        if found := GRANT.match(grant):
            if covers(found[2], database):
                given.update(name.strip().upper() for name in found[1].split(","))
        elif ROLE.match(grant):
            has_role = True
    if has_role or given & {"ALL PRIVILEGES", "ALL"}:
        return []
    return [name for name in NEEDED if name not in given]


def covers(pattern: str, database: str) -> bool:
    r"""Whether the name in a grant stands for a database: `_` and `%` are wildcards unless a `\` is before them."""
    if pattern == "*":
        return True
    name = pattern.strip("`").replace("``", "`")
    parts = re.findall(r"\\[_%\\]|.", name, re.DOTALL)
    wild = {"_": ".", "%": ".*"}
    return bool(re.fullmatch("".join(wild.get(part, re.escape(part[-1])) for part in parts), database, re.DOTALL))
