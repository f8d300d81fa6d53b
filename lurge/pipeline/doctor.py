"""Checks of everything that a new site gets wrong, each with what to do about it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from lurge.compiled import CACHE, CACHE_VARIABLE, GIVEN, IS_KEPT, damaged_files
from lurge.config import Config, load_config
from lurge.enrich.identity import ldap_reader, make_identity
from lurge.enrich.quota import limit_of, read_limits, run_briefly
from lurge.errors import LurgeError, QuotaError
from lurge.pipeline.work import job_of
from lurge.source.finding import newest_dump, read_base_directories
from lurge.stream.blocks import OpenDump
from lurge.stream.launch import ONE_MACHINE, find_mpiexec

MPI_SECONDS = 60
LEAST_FREE_BYTES = 1 << 30


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILURE = "FAILURE"


@dataclass(frozen=True)
class Finding:
    """What one check found; advice: what to do about it, empty where all is well."""

    topic: str
    verdict: Verdict
    said: str
    advice: str = ""


def examine(file: Path | None) -> Iterator[Finding]:
    """Run every check; where the configuration cannot be read, that is all that is found."""
    try:
        config = load_config(file)
    except LurgeError as error:
        yield failure("configuration", error)
        return
    yield Finding("configuration", Verdict.OK, str(config.file))
    for topic, look in (
        ("reports", check_directories),
        ("dumps", check_dumps),
        ("database", check_database),
        ("identity", check_identity),
        ("quotas", check_quotas),
        ("MPI", check_mpi),
        ("kernels", check_cache),
        ("tickets", check_tickets),
        ("batch", check_batch),
    ):
        yield from guarded(topic, look, config)


def guarded(topic: str, look: Callable[[Config], Iterator[Finding]], config: Config) -> Iterator[Finding]:
    """The findings of one check, of which an error is one."""
    try:
        yield from look(config)
    except LurgeError as error:
        yield failure(topic, error)
    except OSError as error:
        yield Finding(topic, Verdict.FAILURE, f"{error.filename}: {error.strerror}", "Correct its permissions.")


def failure(topic: str, error: LurgeError) -> Finding:
    return Finding(topic, Verdict.FAILURE, error.message, error.advice)


def check_directories(config: Config) -> Iterator[Finding]:
    """Whether what the job writes can be written."""
    for directory in dict.fromkeys((config.reports.directory, config.split.directory, config.batch.logs)):
        above = directory
        while not above.exists():
            above = above.parent
        free = shutil.disk_usage(above).free
        if not os.access(above, os.W_OK | os.X_OK):
            yield Finding("reports", Verdict.FAILURE, f"{above} cannot be written", "Correct its permissions.")
        elif free < LEAST_FREE_BYTES:
            yield Finding("reports", Verdict.WARNING, f"{above} has {free >> 20} MiB free", "Free space.")
        else:
            yield Finding("reports", Verdict.OK, f"{directory}: {free >> 30} GiB free")


def check_dumps(config: Config) -> Iterator[Finding]:
    """Whether every volume has a dump that is new enough and looks like one, with base directories."""
    today = datetime.now(UTC).date()
    for volume in config.dumps.volumes:
        try:
            dump = newest_dump(config.dumps.directory, volume, today, config.dumps.max_days_ago)
            with closing(OpenDump(dump.path)) as opened:
                era = opened.era
            chosen = job_of(config, dump).base_directories
            mine = [
                path
                for _, path in read_base_directories(chosen)
                if (path + b"/").startswith(volume.mount.encode().rstrip(b"/") + b"/")
            ]
        except LurgeError as error:
            yield failure("dumps", error)
            continue
        except OSError as error:
            yield Finding("dumps", Verdict.FAILURE, f"{error.filename}: {error.strerror}", "Correct its permissions.")
            continue
        age = (today - dump.record_date).days
        said = f"{volume.name}: {dump.path}, {age} days old, {dump.size >> 20} MiB, {era}"
        yield Finding("dumps", Verdict.OK, said)
        if not mine:
            yield Finding(
                "dumps",
                Verdict.WARNING,
                f"{volume.name}: {chosen} names no directory below {volume.mount}, so nothing will be attributed",
                "Name the volume's real mount point in dumps.volumes, or make base directories with `lurge basedirs`.",
            )


def check_database(config: Config) -> Iterator[Finding]:
    """Whether the database answers, may be written, and has our tables."""
    from lurge.store.database import Database
    from lurge.store.usage import schema
    from lurge.store.usage.read.check import look_at

    database = Database(config.database)
    if not database.dialect.exists():
        yield Finding("database", Verdict.OK, f"{database} will be made")
        return
    found = look_at(database)
    yield Finding("database", Verdict.OK, f"{found.database}: {found.server}, schema {found.revision or 'none yet'}")
    for note in found.notes:
        yield Finding("database", Verdict.WARNING, note, "docs/security.md and docs/operations.md have more.")
    for problem in found.problems:
        yield Finding("database", Verdict.WARNING, problem, "Look with `lurge db check`.")
    missing = database.missing_privileges(schema.metadata.tables)
    if missing:
        yield Finding("database", Verdict.FAILURE, f"the user lacks {', '.join(missing)}", "GRANT them.")
    database.close()


def check_identity(config: Config) -> Iterator[Finding]:
    """Whether names come from where they should."""
    if config.identity.ldap and config.identity.provider == "ldap":
        groups, users = ldap_reader()(config.identity.ldap)
        said = f"ldap: {len(groups)} groups, {sum(group.pi is not None for group in groups.values())} of them with a PI"
        yield Finding("identity", Verdict.OK, f"{said}, {len(users)} users")
        return
    identity = make_identity(config.identity)
    own = identity.user(os.getuid())
    if config.identity.provider == "nss" and own is None:
        advice = "Set identity.provider to files or ldap."
        yield Finding("identity", Verdict.WARNING, f"uid {os.getuid()} has no name on this machine", advice)
    yield Finding("identity", Verdict.OK, f"{config.identity.provider}: names can be read")


def check_quotas(config: Config) -> Iterator[Finding]:
    """Whether some source of quotas answers for each volume."""
    if not config.quota.providers:
        yield Finding("quotas", Verdict.WARNING, "no source of quotas: no warnings", "Set [quota] providers.")
        return
    for volume in config.dumps.volumes:
        problems = []
        for provider in config.quota.providers:
            try:
                if provider == "csv":
                    count = len(read_limits(config.quota.csv_directory / f"{volume.name}.csv"))
                    yield Finding("quotas", Verdict.OK, f"{volume.name}: {count} groups in the CSV file")
                else:
                    yield ask_lfs(volume.mount, config.quota.timeout)
                break
            except QuotaError as error:
                problems.append(error.message)
        else:
            yield Finding("quotas", Verdict.WARNING, f"{volume.name}: {'; '.join(problems)}", QuotaError.advice)


def ask_lfs(mount: str, timeout: int) -> Finding:
    """Ask for the quota of this process's own group. Raises QuotaError."""
    lfs = shutil.which("lfs")
    if not lfs:
        raise QuotaError("lfs is not on PATH")
    command = [lfs, "quota", "-gq", str(os.getgid()), mount]
    try:
        done = run_briefly(command, timeout)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise QuotaError(f"{lfs}: {error}") from error
    if done.returncode or limit_of(done.stdout) is None:
        raise QuotaError(f"`{' '.join(command)}` gives no limit: {done.stderr.strip() or done.stdout.strip()}")
    return Finding("quotas", Verdict.OK, f"lfs answers for {mount}")


def check_mpi(config: Config) -> Iterator[Finding]:
    """Whether two ranks find each other."""
    mpiexec = find_mpiexec()
    ask = "import os; from mpi4py import MPI; os.write(1, b'%d ranks\\n' % MPI.COMM_WORLD.size)"
    try:
        done = subprocess.run(
            [mpiexec, "-n", "2", sys.executable, "-c", ask],
            capture_output=True,
            text=True,
            timeout=MPI_SECONDS,
            env={**ONE_MACHINE, **os.environ},
            stdin=subprocess.DEVNULL,
            check=False,
        )
        said = done.stdout.split("\n")
    except subprocess.TimeoutExpired:
        said = [f"no answer within {MPI_SECONDS} s"]
    if said.count("2 ranks") == 2:
        yield Finding("MPI", Verdict.OK, f"{mpiexec} starts ranks that find each other")
    else:
        advice = "Use the mpiexec of the MPI that mpi4py was built for; `pip install 'lurge[mpi]'` brings both."
        yield Finding("MPI", Verdict.FAILURE, f"two ranks do not find each other: {' '.join(said).strip()}", advice)


def check_cache(config: Config) -> Iterator[Finding]:
    """Whether compiled kernels can be kept."""
    advice = f"Set ${CACHE_VARIABLE} to a directory of your own that every node sees and nobody else may write to."
    if GIVEN and not CACHE.is_relative_to(os.path.abspath(GIVEN)):
        yield Finding("kernels", Verdict.WARNING, f"${CACHE_VARIABLE} is not used: others may write to {GIVEN}", advice)
    if damaged := damaged_files():
        names = ", ".join(path.name for path in damaged[:3])
        said = f"{len(damaged)} files of compiled kernels are damaged in {CACHE}: {names}"
        yield Finding("kernels", Verdict.WARNING, said, "Nothing: the next report compiles them again.")
    elif IS_KEPT:
        yield Finding("kernels", Verdict.OK, f"compiled kernels are kept in {CACHE}")
    else:
        yield Finding("kernels", Verdict.WARNING, "no safe place for compiled kernels: every run compiles", advice)


def check_tickets(config: Config) -> Iterator[Finding]:
    """Whether the jobs' steps can be read."""
    from lurge.pipeline.ticket import tracker_of
    from lurge.tickets import JobTrackerError

    try:
        tracker = tracker_of(config)
        jobs = tracker.jobs()
        running = len(tracker.list_jobs(status="running"))
    except JobTrackerError as error:
        yield Finding("tickets", Verdict.FAILURE, str(error), "Correct the file that tickets.jobs names.")
    else:
        said = f"{config.tickets.directory}: {len(jobs)} kinds of jobs, {running} running"
        yield Finding("tickets", Verdict.OK, said)


def check_batch(config: Config) -> Iterator[Finding]:
    """Which scheduler there is."""
    found = [name for name in ("bsub", "sbatch") if shutil.which(name)]
    if not found:
        yield Finding("batch", Verdict.WARNING, "neither bsub nor sbatch is on PATH", "Run `lurge report -n RANKS`.")
    for name in found:
        yield Finding("batch", Verdict.OK, f"{name} is on PATH")
    if "bsub" in found and not config.batch.group:
        yield Finding("batch", Verdict.WARNING, "batch.group is not set", "Many sites want bsub -G: set it.")
