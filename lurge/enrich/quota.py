"""What a group may use of a volume: asked of Lustre, read from files."""

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
"""Of `lfs quota -gq`: file system, used, quota, limit (KiB), grace, and the same of the number of files."""

MOST_UNANSWERED = 16
"""After so many questions of one volume without an answer, no more are asked."""

SECONDS_TO_DIE = 2

log = logging.getLogger(__name__)


class Quotas(Protocol):
    """Where quotas come from."""

    def limits(self, volume: Volume, groups: Iterable[str]) -> Mapping[str, int]:
        """Bytes by name of the group, of those for which there is an answer; 0 is no limit. Raises QuotaError."""


def limit_of(answer: str) -> int | None:
    """The limit, bytes, in an answer of `lfs quota -gq GROUP MOUNT`; None where it has none.

    A long mount point breaks the line; a star marks a number that is exceeded. Format: lfs-quota(1).
    """
    fields = answer.split()
    if len(fields) <= LIMIT_FIELD:
        return None
    return kibibytes(fields[LIMIT_FIELD].rstrip("*"))


def kibibytes(text: str) -> int | None:
    """Bytes of a whole number of KiB; None where it is none, or more than a database holds."""
    if not re.fullmatch(r"[0-9]{1,16}", text, re.ASCII):
        return None
    limit = int(text) * KIB
    return limit if limit <= LARGEST else None


def run_briefly(command: Sequence[str], timeout: float) -> subprocess.CompletedProcess[str]:
    """Run a command. Raises OSError or TimeoutExpired, also where it hangs in the kernel and nothing can end it."""
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
    """Asks Lustre, several groups at a time."""

    def __init__(self, timeout: int, at_once: int) -> None:
        self._timeout = timeout
        self._at_once = at_once
        self._unanswered = 0

    def limits(self, volume: Volume, groups: Iterable[str]) -> Mapping[str, int]:
        lfs = shutil.which("lfs")
        if not lfs:
            raise QuotaError("lfs is not on PATH")
        names = list(groups)
        self._unanswered = 0
        with ThreadPoolExecutor(self._at_once) as pool:
            answers = list(pool.map(partial(self._ask, lfs, volume.mount), names))
        problems = sorted({problem for _, problem in answers if problem})
        if problems:
            missing = sum(limit is None for limit, _ in answers)
            shown = "; ".join(problems[:3])
            log.warning("%s: lfs knows no quota of %d of %d groups: %s", volume.name, missing, len(names), shown)
        return {name: limit for name, (limit, _) in zip(names, answers, strict=True) if limit is not None}

    def _ask(self, lfs: str, mount: str, group: str) -> tuple[int | None, str]:
        """The limit in bytes, and why there is none."""
        if group.startswith("-"):
            return None, f"{group} would be taken for an option"
        if self._unanswered >= MOST_UNANSWERED:
            return None, f"not asked after {MOST_UNANSWERED} questions without an answer"
        try:
            done = run_briefly([lfs, "quota", "-gq", group, mount], self._timeout)
        except subprocess.TimeoutExpired:
            self._unanswered += 1
            return None, f"no answer within {self._timeout} s"
        except OSError as error:
            return None, f"{lfs}: {error.strerror}"
        if done.returncode:
            complaint = done.stderr.strip().split("\n")[-1]
            return None, f"exit status {done.returncode}: {complaint}"
        return limit_of(done.stdout), ""


def limits_file(directory: Path, volume: Volume) -> Path:
    """The file with a volume's quotas: `<volume>.csv`, or, if only that is there, `<volume>`."""
    named = directory / f"{volume.name}.csv"
    bare = directory / volume.name
    return bare if bare.is_file() and not named.exists() else named


class CsvQuotas:
    """One file a volume, named as it: a header with `group` and `limit`, which is in KiB; `-` or nothing for none."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def limits(self, volume: Volume, groups: Iterable[str]) -> Mapping[str, int]:
        known = read_limits(limits_file(self._directory, volume))
        return {group: known[group] for group in groups if group in known}


def read_limits(file: Path) -> dict[str, int]:
    """Bytes by group. Raises QuotaError with the line where the file is missing or malformed."""
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
    made: dict[str, Quotas] = {
        "lfs": LfsQuotas(config.timeout, config.at_once),
        "csv": CsvQuotas(config.csv_directory),
    }
    return [made[name] for name in config.providers]


def quotas_of(providers: Iterable[Quotas], volume: Volume, groups: Mapping[int, str]) -> dict[int, int]:
    """Bytes by gid, of the first provider that answers for each group; groups: the names that providers know."""
    found: dict[int, int] = {}
    for provider in providers:
        asked = {gid: name for gid, name in groups.items() if gid not in found}
        if not asked:
            break
        try:
            limits = provider.limits(volume, sorted(set(asked.values())))
        except QuotaError as error:
            log.warning("%s: %s", volume.name, error.message)
            continue
        found |= {gid: limits[name] for gid, name in asked.items() if name in limits}
    return found
