"""The context of a view: the person who asks, one state of the database, and the tree indexes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import sqlalchemy as sa

from lurge.config import Config
from lurge.errors import PageError
from lurge.store.usage import schema
from lurge.store.usage.read.dates import NewestDates, newest_of_all
from lurge.store.usage.read.newest import Dates
from lurge.view.person import Person

if TYPE_CHECKING:
    from lurge.store.tree.read import Index


DatedKind = Literal["newest", "groups", "users", "vault"]


@dataclass
class Context:
    """What a view is made from. Every query of it is limited to the groups of the person: `scope` and `gids`.

    ledger: opens a connection to the database of the ledger, which may be another one.
    """

    config: Config
    person: Person
    connection: sa.Connection
    ledger: Callable[[], AbstractContextManager[sa.Connection]]

    @property
    def today(self) -> date:
        return datetime.now(UTC).date()

    @cached_property
    def volumes(self) -> list[str]:
        """The volumes of the configuration, then others that are stored."""
        stored = self.connection.execute(sa.select(schema.volume.c.scratch_disk)).scalars().all()
        configured = [volume.name for volume in self.config.dumps.volumes] if self.config.dumps_table else []
        return [*(name for name in configured if name in stored), *sorted(set(stored).difference(configured))]

    @cached_property
    def newest(self) -> dict[str, NewestDates]:
        """The newest dates of each volume."""
        return newest_of_all(self.connection, self.volumes)

    def dates(
        self, kind: Literal["newest", "groups", "users", "vault"], volumes: Collection[str] | None = None
    ) -> Dates:
        """The newest date of each volume that has one, of all that is stored or of one kind. volumes: only these."""
        found = {name: getattr(days, kind) for name, days in self.newest.items() if volumes is None or name in volumes}
        return {name: day for name, day in found.items() if day}

    @cached_property
    def scope(self) -> frozenset[int] | None:
        """The keys of the groups that the person may see; None for all."""
        if self.person.groups is None:
            return None
        group = schema.unix_group
        return frozenset(key for key, name in self.connection.execute(sa.select(group)) if name in self.person.groups)

    def need_all(self, subject: str) -> None:
        """Raise PageError for a person who does not see all groups. subject: of the sentence, with its verb."""
        if not self.person.sees_all:
            raise PageError(f"{subject} shown to administrators only", "Ask one of them.")

    def key_of_group(self, name: str) -> int | None:
        """The key of a group that the person may see."""
        group = schema.unix_group
        key = self.connection.execute(sa.select(group.c.group_id).where(group.c.group_name == name)).scalar()
        return key if self.scope is None or key in self.scope else None

    def gids(self, index: Index) -> frozenset[int] | None:
        """The gids of an index that the person may see; None for all."""
        if self.person.groups is None:
            return None
        return frozenset(int(gid) for gid, name in index.manifest["groups"].items() if name in self.person.groups)

    def chosen_volumes(self, names: Collection[str]) -> list[str]:
        """Those volumes of the context that are named; all if none is."""
        return [volume for volume in self.volumes if not names or volume in names]
