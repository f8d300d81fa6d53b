"""The TSV reports (docs/formats.md), written from what is stored."""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import date
from itertools import chain, islice
from pathlib import Path

from lurge.atomic import whole_file
from lurge.model.sizes import human_sizes
from lurge.model.stored import DirectoryRow, NewestReports, QuotaRow, UserRow

MISSING = "-"
LINES_AT_ONCE = 500_000
ROWS_AT_ONCE = 10_000
MIB = 2**20
ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})

QUOTA_COLUMNS = (
    "Volume", "PI", "Group", "Usage (bytes)", "Quota (bytes)", "Quota Known", "Warning",
    "Expected in 3 Days (bytes)", "Expected in 7 Days (bytes)", "Quota Reached",
)  # fmt: skip

Value = str | int | float | date | None


def cell(value: Value) -> str:
    """A value as it stands in a TSV: escaped, `-` where it is missing."""
    if value is None:
        return MISSING
    text = str(value)
    return text if text.isprintable() and "\\" not in text else text.translate(ESCAPES)


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[Value]]) -> Path:
    """Write a header and the sorted rows. Raises OutputError."""
    lines = (("\t".join(map(cell, row)) + "\n").encode() for row in chain([header], rows))
    with whole_file(path) as file, ExitStack() as runs:
        file.write(next(lines))
        file.writelines(in_order(lines, runs, path.parent))
    return path


def in_order(lines: Iterator[bytes], runs: ExitStack, folder: Path) -> Iterable[bytes]:
    """Sorted lines: what is more than LINES_AT_ONCE waits in files without a name in `folder`, which `runs` closes."""
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
    width = 1 + len(filetypes)
    rows = iter(rows)
    while part := list(islice(rows, ROWS_AT_ONCE)):
        sizes = human_sizes([size for row in part for size in (row.size, *sizes_of(row, filetypes))])
        for number, row in enumerate(part):
            shown = sizes[number * width : (number + 1) * width]
            yield (row.base, row.path, *shown, row.files, row.last_modified, row.pi, row.group)


def sizes_of(row: DirectoryRow, filetypes: Sequence[str]) -> Iterator[int]:
    """A directory's size in each filetype."""
    return (row.filetype_sizes.get(name, 0) for name in filetypes)


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
