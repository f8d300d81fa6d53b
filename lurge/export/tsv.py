"""The TSV reports (docs/formats.md), written from what is stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path

from lurge.atomic import whole_file
from lurge.model.stored import DirectoryRow, NewestReports, QuotaRow, UserRow

MISSING = "-"
UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
MIB = 2**20
ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})

QUOTA_COLUMNS = (
    "Volume", "PI", "Group", "Usage (bytes)", "Quota (bytes)", "Quota Known", "Warning",
    "Expected in 3 Days (bytes)", "Expected in 7 Days (bytes)", "Quota Reached",
)  # fmt: skip

Value = str | int | float | date | None


def human_size(size: int) -> str:
    """A size in bytes with the largest unit that makes it at least 1, to two decimals."""
    if size < 1024:
        return f"{size} B"
    value = float(size)
    unit = 0
    while round(value, 2) >= 1024 and unit < len(UNITS) - 1:
        value /= 1024
        unit += 1
    return f"{round(value, 2)} {UNITS[unit]}"


def cell(value: Value) -> str:
    """A value as it stands in a TSV: escaped, `-` where it is missing."""
    return MISSING if value is None else str(value).translate(ESCAPES)


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[Value]]) -> Path:
    """Write a header and the sorted rows. Raises OutputError."""
    lines = sorted("\t".join(map(cell, row)) + "\n" for row in rows)
    with whole_file(path) as file:
        file.write(("\t".join(map(cell, header)) + "\n").encode())
        file.writelines(line.encode() for line in lines)
    return path


def write_reports(
    newest: NewestReports, directory: Path, volumes: Sequence[str], filetypes: Iterable[str]
) -> list[Path]:
    """Write the reports of every volume at its newest date, dated by the newest of these.

    Returns the files; none where nothing is stored. Raises OutputError.
    """
    if not newest.dates:
        return []
    day = max(newest.dates.values())
    names = sorted(filetypes)
    return [
        write_table(
            directory / "report-output-files" / f"report-{day:%Y%m%d}.tsv",
            ("Top Level Path", "PI", "Group", "Usage (bytes)", "Quota (bytes)", "Last Modified (days)"),
            newest.groups,
        ),
        write_table(
            directory / "quota-reports" / f"{day}.tsv",
            QUOTA_COLUMNS,
            quota_lines(newest.quotas),
        ),
        write_table(
            directory / "inspector-reports" / f"{day}.tsv",
            ("Base Path", "Directory", "Size", *names, "Num Files", "Last Modified", "PI", "Group"),
            inspector_lines(newest.directories, names),
        ),
        write_table(
            directory / "user-reports" / f"{day}.tsv",
            ("username", "data", "group", *volumes),
            user_lines(newest.users, volumes),
        ),
        write_table(
            directory / "vault-reports" / f"{day}.tsv",
            ("Path", "State", "Size (bytes)", "Owner", "Group", "Last Modified", "Volume"),
            newest.vaults,
        ),
    ]


def quota_lines(rows: Iterable[QuotaRow]) -> Iterator[tuple[Value, ...]]:
    """A line for each group and volume."""
    for row in rows:
        of_today = None if row.quota is None else "later" if row.backfilled else "of the day"
        expected = (row.in_3_days, row.in_7_days, row.quota_reached)
        yield (row.volume, row.pi, row.group, row.used, row.quota, of_today, row.warning, *expected)


def inspector_lines(rows: Iterable[DirectoryRow], filetypes: Sequence[str]) -> Iterator[tuple[Value, ...]]:
    """A line for each directory."""
    for row in rows:
        sizes = (human_size(row.filetype_sizes.get(name, 0)) for name in filetypes)
        size = human_size(row.size)
        yield (row.base, row.path, size, *sizes, row.files, row.last_modified, row.pi, row.group)


def user_lines(rows: Iterable[UserRow], volumes: Sequence[str]) -> Iterator[tuple[Value, ...]]:
    """Two lines for each user and group: sizes in MiB, and dates of the newest mtime, one column a volume."""
    found: dict[tuple[str | None, str | None], dict[str, UserRow]] = {}
    for row in rows:
        found.setdefault((row.user, row.group), {})[row.volume] = row
    for (user, group), by_volume in found.items():
        sizes = (round(by_volume[name].size / MIB, 2) if name in by_volume else 0 for name in volumes)
        times = (by_volume[name].last_modified if name in by_volume else None for name in volumes)
        yield (user, "size", group, *sizes)
        yield (user, "mtime", group, *times)
