"""The last names from a server, kept in a file for nights on which the server does not answer."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from lurge.atomic import remove_abandoned, whole_file
from lurge.errors import IdentityError, OutputError
from lurge.model.names import Group

log = logging.getLogger(__name__)

Tables = tuple[dict[int, Group], dict[int, str]]


def keep(file: Path, source: str, groups: Mapping[int, Group], users: Mapping[int, str]) -> None:
    """Write the names of `source`. If they cannot be written, warn and go on."""
    document = {
        "source": source,
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "groups": {str(gid): list(group) for gid, group in sorted(groups.items())},
        "users": {str(uid): name for uid, name in sorted(users.items())},
    }
    remove_abandoned(file.parent)
    try:
        with whole_file(file) as out:
            out.write(json.dumps(document, indent=1).encode())
    except OutputError as error:
        log.warning("the names cannot be kept for nights on which the server does not answer: %s", error.message)


def recall(file: Path, source: str) -> tuple[Tables, datetime]:
    """The names that `keep` wrote for the same source, and the time. Raises IdentityError if there are none."""
    try:
        document = json.loads(file.read_bytes())
        if document["source"] != source:
            raise IdentityError(f"{file} holds names of {document['source']}")
        groups = {int(gid): Group(str(name), pi and str(pi)) for gid, (name, pi) in document["groups"].items()}
        users = {int(uid): str(name) for uid, name in document["users"].items()}
        written = datetime.fromisoformat(document["written"])
        if written.tzinfo is None:
            raise ValueError("the time has no time zone")
    except OSError as error:
        raise IdentityError(f"no names are kept in {file}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IdentityError(f"{file} is damaged: {error}", "Remove it.") from error
    return (groups, users), written


def age(written: datetime) -> str:
    """The time since then, in words."""
    minutes = int((datetime.now(UTC) - written).total_seconds() // 60)
    if minutes < 120:
        return f"{minutes} minutes"
    return f"{minutes // 60} hours" if minutes < 2 * 24 * 60 else f"{minutes // (24 * 60)} days"
