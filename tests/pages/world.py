"""A site of two groups that have nothing in common, and a copy of it in which the other group is another one.

A person of the first group must get the same answers from both: so they learn nothing about the other group.
"""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.testclient import TestClient

from lurge.config import load_config
from lurge.view.app import make_app
from tests.site import DUMP_TIME, Entry, Site

DAY = 86400
DAYS = ("20240120", "20240131")
TOP = "/lustre/scratch101"
OWN, MEMBER, ADMIN, NOBODY = "alpharius", "alice", "root", "norbert"
PROXY = ("127.0.0.1", 50000)


@dataclass(frozen=True)
class Team:
    """A group: its names, and the numbers of which its sizes are made."""

    gid: int
    group: str
    pi: str
    users: dict[int, str]
    folder: str
    suffix: str
    size: int

    def entries(self, night: int) -> list[Entry]:
        """What the group has at a night: more each time."""
        first, second = self.users
        base = f"{TOP}/teams/{self.folder}"
        old = DUMP_TIME - 700 * DAY
        return [
            Entry(f"{base}/run/{self.folder}_a{self.suffix}", self.size * (night + 1), first, self.gid),
            Entry(f"{base}/run/deep/{self.folder}_b.txt", self.size * 3 + night, second, self.gid, old),
            Entry(f"{base}/{self.folder}_c{self.suffix}.log", self.size // 7 + night * 13, first, self.gid),
            Entry(f"{base}/run/{self.folder}_link", 17, second, self.gid, type="l"),
            Entry(f"{TOP}/home/{self.users[first]}/{self.folder}_out", self.size // 3, first, self.gid),
            Entry(self.key("archive", f"{self.folder}_kept_{night}.bam"), self.size // 11, second, self.gid),
            Entry(self.key("keep", f"run/=cmd_{night}.txt"), self.size // 5, first, self.gid),
        ]

    def key(self, branch: str, path: str) -> str:
        """A key of the group's vault."""
        encoded = base64.b64encode(path.encode(), altchars=b"+_").decode()
        return f"{TOP}/teams/{self.folder}/.vault/{branch}/0{self.gid % 10}-{encoded}"

    @property
    def words(self) -> list[str]:
        """What belongs to this group alone. The sizes are those that tests look for in every form."""
        return [self.group, self.pi, *self.users.values(), self.folder, self.suffix]

    def numbers(self) -> set[int]:
        """Sizes of single files, of directories and of all that the group has at each night."""
        found = set()
        for night in range(len(DAYS)):
            entries = self.entries(night)
            found |= {entry.size for entry in entries if entry.size > 1000}
            found.add(sum(entry.size for entry in entries))
            found.add(sum(entry.size for entry in entries if "/teams/" in str(entry.path)))
        return found


OURS = Team(10, OWN, "Dr Aldebaran", {1: MEMBER, 2: "anton"}, "alphadata", ".aaa", 1_000_003)
THEIRS = Team(11, "betelgeuse", "Prof Bellerophon", {3: "boris", 4: "berta"}, "betadata", ".bbb", 7_368_787_499)
OTHERS = Team(12, "capricorn", "Prof Cassiopeia", {5: "carl", 6: "clara"}, "gammadata", ".ccc", 8_916_100_448_229)


def make_site(folder: Path, other: Team) -> Site:
    """The reports of some nights, with a tree index of each."""
    site = Site(folder, has_tree=True)
    (folder / "groups.tsv").write_text("".join(f"{one.gid}\t{one.group}\t{one.pi}\n" for one in (OURS, other)))
    names = {**OURS.users, **other.users, 0: "root", 9: "shared"}
    (folder / "users.tsv").write_text("".join(f"{uid}\t{name}\n" for uid, name in names.items()))
    members = [(MEMBER, OWN), ("anton", OWN), *((name, other.group) for name in other.users.values())]
    (folder / "members.tsv").write_text("".join(f"{user}\t{group}\n" for user, group in members))
    (folder / "quotas").mkdir()
    quotas = f"group,limit\n{OWN},5003\n{other.group},{other.size // 1024 + 11}\n"
    (folder / "quotas" / "scratch101.csv").write_text(quotas)
    site.configure(
        'members = "members.tsv"\n'
        '[quota]\nproviders = ["csv"]\ncsv_directory = "quotas"\n'
        "[tree]\nkeep = 1000\n"
        f'[serve]\naccess = "header"\nadmins = ["{ADMIN}"]\n'
    )
    site.base_directories((OURS.gid, f"{TOP}/teams/{OURS.folder}"), (other.gid, f"{TOP}/teams/{other.folder}"))
    for night, day in enumerate(DAYS):
        both = [Entry(f"{TOP}/home/shared/{one.folder}_s", one.size // 2, 9, one.gid) for one in (OURS, other)]
        top = Entry(TOP, 4096, 0, 0, type="d")
        dump = site.dump(top, *OURS.entries(night), *other.entries(night), *both, day=day)
        os.utime(dump, (DUMP_TIME, DUMP_TIME - (len(DAYS) - night) * DAY))
        site.run("-q")
    return site


def app_of(site: Site) -> FastAPI:
    """The pages of a site, as `lurge serve` makes them."""
    return make_app(load_config(site.config), "secret")


def client_of(app: FastAPI, user: str | None = None, address: tuple[str, int] = PROXY, **more: Any) -> TestClient:
    """A client whose proxy names a user."""
    headers = {} if user is None else {"X-Remote-User": user}
    options = {"base_url": "http://localhost", "follow_redirects": False, "raise_server_exceptions": False} | more
    return TestClient(app, client=address, headers=headers, **options)


def serving(site: Site, name: str, serve: str, identity: str = "") -> Path:
    """Another configuration of a site's pages: [serve], and what stands in place of [identity]. Returns its file."""
    text = site.config.read_text().partition("[serve]")[0]
    if identity:
        begins, ends = text.index("[identity]"), text.index("[quota]")
        text = text[:begins] + identity + "\n" + text[ends:]
    file = site.folder / f"{name}.toml"
    file.write_text(f"{text}[serve]\n{serve}\n")
    return file


def app_from(file: Path, **where: Any) -> FastAPI:
    """The pages of a configuration."""
    return make_app(load_config(file), "secret", **where)
