"""Quotas of groups on volumes, from Lustre or from files."""

from __future__ import annotations

import csv
import logging
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol

from lurge.config.quota import QuotaConfig
from lurge.errors import QuotaError, permission_advice
from lurge.model.dump import Volume
from lurge.model.stored import LARGEST

KIB = 1024
LIMIT_FIELD = 3
"""Position of the limit in the output of `lfs quota -gq`.

Its fields: file system, used, quota, limit (KiB), grace; then the same four for the number of files.
"""

MAX_UNANSWERED = 16
"""Number of unanswered queries after which a volume's remaining groups are not queried."""

SECONDS_TO_DIE = 2

log = logging.getLogger(__name__)


class Quotas(Protocol):
    """A source of quotas."""

    def limits(self, volume: Volume, groups: Iterable[str]) -> Mapping[str, int]:
        """Limits in bytes by name of the group, for groups with an answer. 0: no limit. Raises QuotaError."""


def limit_of(answer: str) -> int | None:
    """The limit, in bytes, in an answer of `lfs quota -gq GROUP MOUNT`; None if it has none.

    After a long mount point the line is broken. A star marks a number that exceeds its limit. Format: lfs-quota(1).
    """
    fields = answer.split()
    if len(fields) <= LIMIT_FIELD:
        return None
    return kibibytes(fields[LIMIT_FIELD].rstrip("*"))


def kibibytes(text: str) -> int | None:
    """Bytes from a whole number of KiB; None if it is not a number, or more than a database holds."""
    if not re.fullmatch(r"[0-9]{1,16}", text, re.ASCII):
        return None
    limit = int(text) * KIB
    return limit if limit <= LARGEST else None


def run_briefly(command: Sequence[str], timeout: float) -> subprocess.CompletedProcess[str]:
    """Run a command. Raises OSError, or TimeoutExpired even if the command hangs in the kernel and cannot be killed."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=SECONDS_TO_DIE)
        raise
    return subprocess.CompletedProcess(command, process.returncode, out, err)


class LfsQuotas:
    """Quotas from Lustre, queried for several groups at a time."""

    def __init__(self, timeout: int, at_once: int) -> None:
        self._timeout = timeout
        self._at_once = at_once
        self._unanswered = 0

    def limits(self, volume: Volume, groups: Iterable[str]) -> Mapping[str, int]:
        lfs = shutil.which("lfs")
        if not lfs:
            raise QuotaError("lfs is not on PATH")
        if volume.inventory:
            return {}
        names = list(groups)
        self._unanswered = 0
        with ThreadPoolExecutor(self._at_once) as pool:
            answers = list(pool.map(partial(self._ask, lfs, volume.mount), names))
        problems = sorted({problem for _, problem in answers if problem})
        if problems:
            missing = sum(limit is None for limit, _ in answers)
            shown = "; ".join(problems[:3])
            log.warning("%s: lfs reports no quota for %d of %d groups: %s", volume.name, missing, len(names), shown)
        return {name: limit for name, (limit, _) in zip(names, answers, strict=True) if limit is not None}

    def _ask(self, lfs: str, mount: str, group: str) -> tuple[int | None, str]:
        """The limit in bytes and an empty text, or None and the reason. The reason is empty if lfs reports no limit."""
        if group.startswith("-"):
            return None, f"{group} would be taken for an option"
        if self._unanswered >= MAX_UNANSWERED:
            return None, f"not queried after {MAX_UNANSWERED} queries without an answer"
        try:
            process = run_briefly([lfs, "quota", "-gq", group, mount], self._timeout)
        except subprocess.TimeoutExpired:
            self._unanswered += 1
            return None, f"no answer within {self._timeout} s"
        except OSError as error:
            return None, f"{lfs}: {error.strerror}"
        if process.returncode:
            complaint = process.stderr.strip().split("\n")[-1]
            return None, f"exit status {process.returncode}: {complaint}"
        return limit_of(process.stdout), ""


def limits_file(directory: Path, volume: Volume) -> Path:
    """The file with a volume's quotas: `<volume>.csv`, or `<volume>` if only that exists."""
    with_suffix = directory / f"{volume.name}.csv"
    bare = directory / volume.name
    return bare if bare.is_file() and not with_suffix.exists() else with_suffix


class CsvQuotas:
    """Quotas from CSV files, one a volume. Columns: `group`, `limit` (KiB; 0: no limit; `-` or empty: unknown)."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def limits(self, volume: Volume, groups: Iterable[str]) -> Mapping[str, int]:
        limits = read_limits(limits_file(self._directory, volume))
        return {group: limits[group] for group in groups if group in limits}


def read_limits(file: Path) -> dict[str, int]:
    """Limits in bytes by group. Raises QuotaError, with the line number, if the file is missing or malformed."""
    limits = {}
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines, strict=True, skipinitialspace=True)
            missing = {"group", "limit"} - {name.strip() for name in reader.fieldnames or ()}
            if missing:
                raise QuotaError(f"{file}:1: the header lacks {' and '.join(sorted(missing))}")
            reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
            for row in reader:
                group, text = (row["group"] or "").strip(), (row["limit"] or "").strip()
                limit = kibibytes(text)
                if not group or (limit is None and text not in ("", "-")):
                    raise QuotaError(f"{file}:{reader.line_num}: expected a group and a limit in KiB")
                if limit is not None:
                    limits[group] = limit
    except OSError as error:
        raise QuotaError(f"{file}: {error.strerror}", permission_advice(error)) from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise QuotaError(f"{file}: {error}") from error
    return limits


def make_quotas(config: QuotaConfig) -> list[Quotas]:
    """The configured providers, in their order."""
    providers: dict[str, Quotas] = {
        "lfs": LfsQuotas(config.timeout, config.at_once),
        "csv": CsvQuotas(config.csv_directory),
    }
    return [providers[name] for name in config.providers]


def quotas_of(providers: Iterable[Quotas], volume: Volume, groups: Mapping[int, str]) -> dict[int, int]:
    """Limits in bytes by gid, each from the first provider that answers. groups: the names that providers know."""
    quotas: dict[int, int] = {}
    for provider in providers:
        missing = {gid: name for gid, name in groups.items() if gid not in quotas}
        if not missing:
            break
        try:
            limits = provider.limits(volume, sorted(set(missing.values())))
        except QuotaError as error:
            log.warning("%s: %s", volume.name, error.message)
            continue
        quotas |= {gid: limits[name] for gid, name in missing.items() if name in limits}
    return quotas
