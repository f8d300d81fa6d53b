"""Columns and links that several pages share."""

from __future__ import annotations

from lurge.view.table import Column, Row
from lurge.view.view import address

LEVELS = {1: "OK", 2: "Kinda OK", 3: "Not OK"}


def group_address(name: str | None, volume: str | None = None) -> str | None:
    """The address of a group's page."""
    return address("/group", name=name, volume=volume) if name else None


def user_address(name: str | None) -> str | None:
    """The address of a person's page."""
    return address("/user", name=name) if name else None


def to_group(row: Row) -> str | None:
    return group_address(row.get("group"))


def to_user(row: Row) -> str | None:
    return user_address(row.get("user"))


def to_volume(row: Row) -> str | None:
    return address("/tree", volume=row.get("volume"))


def to_base(row: Row) -> str | None:
    return address("/directories", volume=row.get("volume"), base=row.get("path"))


def to_use(row: Row) -> str | None:
    """The address of what a group's use is made of: the directories of a base directory, or the use of a volume."""
    return to_base(row) if row.get("path") else group_address(row.get("group"), row.get("volume"))


GROUP = Column("group", "Group", link=to_group)
PI = Column("pi", "PI", link=lambda row: address("/groups", pi=row.get("pi")) if row.get("pi") else None)
VOLUME = Column("volume", "Volume", link=to_volume)
USER = Column("user", "User", link=to_user)
USED = Column("used", "Used", "bytes", link=to_use)
QUOTA = Column("quota", "Quota", "bytes")
SHARE = Column("share", "Share", "share", help="Used part of the quota")
LAST_MODIFIED = Column("last_modified", "Last modified", "days", help="Days from the newest change to the report")
LEVEL = Column("level", "Status", "level")
FULL = Column("full", "Full on", "date", help="Date on which the quota is expected to be reached")


def fraction(part: int, whole: int | None) -> float | None:
    """A part of a whole; None without a whole."""
    return part / whole if whole else None
