"""The TSV reports (docs/formats.md), written from the stored reports."""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import date
from itertools import islice
from pathlib import Path

from lurge.atomic import remove_abandoned, whole_file
from lurge.model.sizes import human_sizes, to_mib, whole
from lurge.model.stored import DirectoryPage, NewestReports, QuotaRow, UserRow

MISSING = "-"
LINES_AT_ONCE = 500_000
ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})

KINDS = ("report-output-files", "quota-reports", "inspector-reports", "user-reports", "vault-reports")
QUOTA_COLUMNS = (
    "Volume", "PI", "Group", "Usage (bytes)", "Quota (bytes)", "Quota Known", "Warning",
    "Expected in 3 Days (bytes)", "Expected in 7 Days (bytes)", "Quota Reached",
)  # fmt: skip

Value = str | int | float | date | None


def cell(value: Value) -> str:
    """The text of a value in a TSV: escaped, or `-` if the value is missing."""
    if value is None:
        return MISSING
    text = str(value)
    return text if text.isprintable() and "\\" not in text else text.translate(ESCAPES)


def cells(values: Sequence[Value]) -> list[str]:
    """The cells of a column with many repeated values: each distinct value is converted once."""
    texts = {value: cell(value) for value in set(values)}
    return [texts[value] for value in values]


def line(row: Iterable[Value]) -> str:
    """The line of a row in a TSV."""
    return "\t".join(map(cell, row)) + "\n"


def write_table(path: Path, header: Sequence[str], lines: Iterable[str]) -> Path:
    """Write a header and the lines, sorted. Raises OutputError."""
    with whole_file(path) as file, ExitStack() as runs:
        file.write(line(header).encode())
        file.writelines(in_order(map(str.encode, lines), runs, path.parent))
    return path


def in_order(lines: Iterator[bytes], runs: ExitStack, folder: Path) -> Iterable[bytes]:
    """The lines, sorted.

    More than LINES_AT_ONCE lines are sorted in runs, which are kept in unnamed temporary files in `folder` and merged.
    runs: closes these files.
    """
    sorted_runs: list[Iterable[bytes]] = []
    while run := sorted(islice(lines, LINES_AT_ONCE)):
        if len(run) < LINES_AT_ONCE and not sorted_runs:
            return run
        file = runs.enter_context(tempfile.TemporaryFile(dir=folder))  # noqa: SIM115 - `runs` closes it
        file.writelines(run)
        file.seek(0)
        sorted_runs.append(file)
    return heapq.merge(*sorted_runs)


def write_reports(
    newest: NewestReports, directory: Path, volumes: Sequence[str], filetypes: Iterable[str]
) -> list[Path]:
    """Write the reports of every volume at its newest date. The files are named by the newest of these dates.

    Returns the files; an empty list if nothing is stored. Raises OutputError.
    """
    for kind in KINDS:
        # Only one process writes reports, because it holds the database's lock.
        remove_abandoned(directory / kind, fresh_seconds=0)
    if not newest.dates:
        return []
    day = max(newest.dates.values())
    names = sorted(filetypes)
    return [
        write_table(
            directory / "report-output-files" / f"report-{day:%Y%m%d}.tsv",
            ("Top Level Path", "PI", "Group", "Usage (bytes)", "Quota (bytes)", "Last Modified (days)"),
            map(line, newest.groups),
        ),
        write_table(
            directory / "quota-reports" / f"{day}.tsv",
            QUOTA_COLUMNS,
            map(line, quota_rows(newest.quotas)),
        ),
        write_table(
            directory / "inspector-reports" / f"{day}.tsv",
            ("Base Path", "Directory", "Size", *names, "Num Files", "Last Modified", "PI", "Group"),
            inspector_lines(newest.directories, names),
        ),
        write_table(
            directory / "user-reports" / f"{day}.tsv",
            ("username", "data", "group", *volumes),
            map(line, user_rows(newest.users, volumes)),
        ),
        write_table(
            directory / "vault-reports" / f"{day}.tsv",
            ("Path", "State", "Size (bytes)", "Owner", "Group", "Last Modified", "Volume"),
            map(line, newest.vaults),
        ),
    ]


def quota_rows(rows: Iterable[QuotaRow]) -> Iterator[tuple[Value, ...]]:
    """A row for each group and volume."""
    for row in rows:
        of_today = None if row.quota is None else "later" if row.backfilled else "of the day"
        expected = (row.in_3_days, row.in_7_days, row.quota_reached)
        yield (row.volume, row.pi, row.group, row.used, row.quota, of_today, row.warning, *expected)


def inspector_lines(pages: Iterable[DirectoryPage], filetypes: Sequence[str]) -> Iterator[str]:
    """A line for each directory."""
    for page in pages:
        nothing = [0] * len(page.paths)
        sizes = (page.sizes, *(page.filetype_sizes.get(name, nothing) for name in filetypes))
        columns = (
            cells(page.bases),
            map(cell, page.paths),
            *(human_sizes(whole(column)) for column in sizes),
            cells(page.files),
            cells(page.last_modified),
            cells(page.pis),
            (f"{group}\n" for group in cells(page.groups)),
        )
        yield from map("\t".join, zip(*columns, strict=True))


def user_rows(rows: Iterable[UserRow], volumes: Sequence[str]) -> Iterator[tuple[Value, ...]]:
    """Two rows for each user and group, with a column for each volume: sizes in MiB, and dates of the newest mtime."""
    rows_by_owner: dict[tuple[str | None, str | None], dict[str, UserRow]] = {}
    for row in rows:
        rows_by_owner.setdefault((row.user, row.group), {})[row.volume] = row
    for (user, group), by_volume in rows_by_owner.items():
        sizes = (to_mib(by_volume[name].size or 0) if name in by_volume else 0 for name in volumes)
        times = (by_volume[name].last_modified if name in by_volume else None for name in volumes)
        yield (user, "size", group, *sizes)
        yield (user, "mtime", group, *times)
