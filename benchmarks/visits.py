"""Addresses that `benchmarks.serve` asks for: every page, with different parameters."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.stored import STATES, Stored
from benchmarks.wide import BASES, flat, team_path
from lurge.view.view import address

GENERAL = ("vcf", "bam", "cram", "other", "text")


def nested(number: int) -> str:
    """The path of a directory in its base directory: half of them in a run of a sample of a project."""
    place = number // BASES
    if place % 2:
        return flat(number)
    place //= 2
    return f"project_{place // 250:04d}/sample_{place // 10 % 25:02d}/run_{place % 10}"


class Visits:
    """Addresses by the name of their page. tree: number of the directories of its index."""

    def __init__(self, stored: Stored, tree: int) -> None:
        self._stored, self._tree = stored, tree
        self._random = random.Random(5)  # noqa: S311

    def of(self, name: str) -> Iterator[str]:
        """Endless addresses of a page."""
        path, parameters = PAGES[name]
        while True:
            yield address(path, **parameters(self))

    def one(self, *values: Any) -> Any:
        """One of some values."""
        return self._random.choice(values)

    def group(self) -> str:
        return f"group{self._random.randint(1, self._stored.size.groups):03}"

    def user(self) -> str:
        return f"user{self._random.choice(self._stored.people)[1]:04}"

    def volume(self) -> str:
        return self._stored.volume(self._random.randint(1, self._stored.size.volumes))

    def some_volume(self) -> str:
        """A volume, or none."""
        return str(self.one("", self.volume()))

    def base(self) -> dict[str, Any]:
        key, volume, _ = self._random.choice(self._stored.bases)
        return {"volume": self._stored.volume(volume), "base": self._stored.base(key, volume)}

    def largest_base(self) -> dict[str, Any]:
        key, volume, _ = self._random.choice(self._stored.bases[: self._stored.size.volumes])
        return {"volume": self._stored.volume(volume), "base": self._stored.base(key, volume)}

    def directory(self, levels: int) -> str:
        """A directory so many levels below a base directory."""
        path = nested(self._random.randrange(self._tree // BASES // 2) * 2 * BASES).split("/")[:levels]
        return "/".join([team_path("scratch101", self._random.randrange(BASES)), *path])

    def filters(self) -> dict[str, Any]:
        """Filters of the tree, each in half of the requests."""
        kinds = {
            "group": str(20000 + self._random.randrange(BASES)),
            "user": str(1000 + self._random.randrange(BASES)),
            "filetype": self.one(*GENERAL),
            "older": self.one("30", "365", "2555"),
            "age": self.one("mtime", "atime"),
            "area": self.one("bytes", "records"),
            "sort": self.one("name", "-bytes", "records"),
        }
        return {name: value for name, value in kinds.items() if self._random.random() < 0.5}


PAGES: dict[str, tuple[str, Callable[[Visits], dict[str, Any]]]] = {
    "overview": ("/", lambda visits: {}),
    "groups": ("/groups", lambda visits: {
        "volume": visits.some_volume(), "level": visits.one("", "2"), "older": visits.one("", 30),
        "larger": visits.one("", "1 TiB"), "archived": visits.one("", "", "yes"), "sort": visits.one("", "-used", "pi"),
        "page": visits.one(1, 2),
    }),
    "groups, per directory": ("/groups", lambda visits: {"per": "directory", "group": visits.one("", "group0")}),
    "group": ("/group", lambda visits: {"name": visits.group()}),
    "group on a volume": ("/group", lambda visits: {"name": visits.group(), "volume": visits.volume()}),
    "largest groups": ("/group", lambda visits: {"name": f"group{visits.one(*range(1, 21)):03}"}),
    "base directories": ("/directories", lambda visits: {
        "volume": visits.some_volume(), "path": visits.one("", "team00"), "sort": visits.one("", "-last_modified"),
    }),
    "a base directory": ("/directories", lambda visits: {
        **visits.base(), "sort": visits.one("", "path", "-files", "last_modified", "-size"), "page": visits.one(1, 2),
    }),
    "largest base directories": ("/directories", lambda visits: {
        **visits.largest_base(), "sort": visits.one("", "path", "-files", "-size"), "page": visits.one(1, 2),
    }),
    "people": ("/users", lambda visits: {
        "volume": visits.some_volume(), "group": visits.one("", visits.group()), "user": visits.one("", "7"),
    }),
    "person": ("/user", lambda visits: {"name": visits.user()}),
    "vault": ("/vault", lambda visits: {
        "volume": visits.some_volume(), "state": visits.one("", *STATES), "path": visits.one("", "project07"),
        "user": visits.one("", visits.user()), "page": visits.one(1, 2),
    }),
    "jobs": ("/jobs", lambda visits: {"status": visits.one("", "success", "failure")}),
    "search": ("/search", lambda visits: {"q": visits.one(visits.group(), visits.user(), "team01", "Dr 1")}),
    "search for a path": ("/search", lambda visits: {"q": visits.directory(3)}),
    "API, groups": ("/api/groups", lambda visits: {"volume": visits.volume(), "rows": 1000}),
    "tree, volumes": ("/tree", lambda visits: {}),
    "tree, top": ("/tree", lambda visits: {"volume": "scratch101", **visits.filters()}),
    "tree, base directories": ("/tree", lambda visits: {"path": "/lustre/scratch101/teams", **visits.filters()}),
    "tree, a base directory": ("/tree", lambda visits: {"path": visits.directory(0), **visits.filters()}),
    "tree, one level below": ("/tree", lambda visits: {"path": visits.directory(1), **visits.filters()}),
    "tree, further below": ("/tree", lambda visits: {"path": visits.directory(visits.one(2, 3)), **visits.filters()}),
    "metrics": ("/metrics", lambda visits: {}),
}  # fmt: skip
