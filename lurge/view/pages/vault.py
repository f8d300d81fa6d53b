"""Vaults: what is marked to be kept or archived."""

from __future__ import annotations

from pydantic import Field

from lurge.store.usage.read.pages import VaultFilter, vault_rows, vault_sums
from lurge.view.columns import GROUP, USER, VOLUME
from lurge.view.context import Context
from lurge.view.table import Column, Order, Row, Table, table_of
from lurge.view.view import Asked, Page, View, address


class AskedVault(Asked):
    """The choice of files."""

    path: str = Field("", description="A part of the path.")
    state: str = Field("", description="Keep, Archive, Staged, Limbo or Stash.")
    group: str = Field("", description="Name of the group.")
    user: str = Field("", description="Name of the user.")
    volume: str = Field("", description="Name of the volume.")


def to_parent(row: Row) -> str | None:
    parent = (row["path"] or "").rpartition("/")[0]
    return address("/tree", volume=row["volume"], path=parent) if parent else None


COLUMNS = (
    Column("path", "Path", link=to_parent),
    Column("state", "State"),
    Column("size", "Size", "bytes"),
    USER,
    GROUP,
    Column("last_modified", "Modified", "date"),
    VOLUME,
)


def vault_table(context: Context, wanted: VaultFilter, order: Order, volume: str = "") -> Table:
    """The files that match, at the newest date of each volume."""
    volumes = context.chosen_volumes([volume] if volume else [])
    dates = context.dates("vault", volumes)
    by, descending = (order.column, order.is_descending) if order.by else ("size", True)
    total, rows = vault_rows(context.connection, dates, context.scope, wanted, by, descending, order.start, order.size)
    empty = "No file is marked in a vault that matches."
    return Table("vault", "Files in vaults", COLUMNS, rows, total, empty, order)


def make(context: Context, asked: AskedVault) -> View:
    """The files that match, and the sums of each state."""
    wanted = VaultFilter(asked.path, asked.state, asked.user, asked.group)
    dates = context.dates("vault")
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for volume, state, _, files, size in vault_sums(context.connection, dates, context.scope):
        known = sums.get((volume, state), (0, 0))
        sums[volume, state] = known[0] + files, known[1] + size
    rows = [
        {"volume": volume, "state": state, "files": files, "size": size}
        for (volume, state), (files, size) in sorted(sums.items())
    ]
    columns = (
        Column("state", "State", link=lambda row: address("/vault", state=row["state"], volume=row["volume"])),
        VOLUME, Column("files", "Files", "count"), Column("size", "Size", "bytes"),
    )  # fmt: skip
    empty = "No file is marked in any vault."
    return View(
        "Vaults",
        tables=[
            vault_table(context, wanted, asked.order, asked.volume),
            table_of("states", "Sums", columns, rows, Order(size=1000), empty),
        ],
        choices={"volume": context.volumes, "state": sorted({state for _, state in sums})},
    )


PAGE = Page("/vault", "vault", AskedVault, make, menu="Vault", form=("path", "state", "group", "user", "volume"))
