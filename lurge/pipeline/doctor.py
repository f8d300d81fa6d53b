"""Checks of everything that a new site gets wrong, each with what to do about it."""

from __future__ import annotations

import importlib.util
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

from lurge.config import Config, load_config
from lurge.enrich.identity import ldap_reader, make_identity
from lurge.enrich.quota import limit_of, limits_file, read_limits, run_briefly
from lurge.errors import BaseDirectoriesError, DumpNotFound, LurgeError, MpiError, QuotaError
from lurge.kernels.cache import damaged_files
from lurge.kernels.places import CACHE, CACHE_VARIABLE, GIVEN, IS_KEPT
from lurge.model.dump import Volume
from lurge.parallel.blocks import OpenDump
from lurge.parallel.launch import ONE_MACHINE, find_mpiexec
from lurge.parallel.threads import usable_cores
from lurge.pipeline.outputs import REPORTS, nearest_existing, obstacle, output_directories
from lurge.pipeline.work import task_of
from lurge.source.finding import dump_of, newest_dump, read_base_directories

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
    """Run every check; where the configuration cannot be read, that is all that is found. Nothing is said twice."""
    try:
        config = load_config(file)
    except LurgeError as error:
        yield Finding("configuration", Verdict.FAILURE, error.message, error.advice)
        return
    yield Finding("configuration", Verdict.OK, str(config.file))
    said = set()
    for topic, key, look in (
        ("reports", REPORTS, check_directories),
        ("dumps", "dumps.directory", check_dumps),
        ("database", "database.url", check_database),
        ("identity", "identity.provider", check_identity),
        ("quotas", "quota.providers", check_quotas),
        ("MPI", "", check_mpi),
        ("kernels", "", check_cache),
        ("tickets", "tickets.directory", check_tickets),
        ("batch", "batch", check_batch),
    ):
        for finding in guarded(topic, key, look, config):
            if finding not in said:
                said.add(finding)
                yield finding


def guarded(topic: str, key: str, look: Callable[[Config], Iterator[Finding]], config: Config) -> Iterator[Finding]:
    """The findings of one check, of which an error is one. key: of the configuration, that decides about its topic."""
    try:
        yield from look(config)
    except LurgeError as error:
        yield failure(topic, key, error)
    except OSError as error:
        said = f"{key}: {error.filename}: {error.strerror}".removeprefix(": ")
        yield Finding(topic, Verdict.FAILURE, said, "Correct its permissions.")


def failure(topic: str, key: str, error: LurgeError) -> Finding:
    """An error as a finding that names the key."""
    return Finding(topic, Verdict.FAILURE, f"{key}: {error.message}" if key else error.message, error.advice)


def check_directories(config: Config) -> Iterator[Finding]:
    """Check that every directory a job writes into can be written, and has room."""
    problems: dict[str, list[str]] = {}
    places: dict[int, tuple[Path, list[str]]] = {}
    for key, directories in output_directories(config).items():
        problem = next(filter(None, map(obstacle, directories)), None)
        if problem:
            problems.setdefault(problem, []).append(key)
        else:
            above = nearest_existing(directories[0])
            places.setdefault(above.stat().st_dev, (above, []))[1].append(key)
    for problem, keys in problems.items():
        advice = "Correct its permissions, or set the keys to other directories."
        yield Finding("reports", Verdict.FAILURE, f"{', '.join(keys)}: {problem}", advice)
    for above, keys in places.values():
        free = shutil.disk_usage(above).free
        said = f"{', '.join(keys)}: can be written, {free >> 20:,} MiB free"
        low = free < LEAST_FREE_BYTES
        yield Finding("reports", Verdict.WARNING if low else Verdict.OK, said, "Free space." if low else "")


def check_dumps(config: Config) -> Iterator[Finding]:
    """Check that every volume has a dump that is new enough and looks like one, with base directories."""
    if not config.dumps_table:
        advice = "Write [dumps] with directory and volumes; `lurge config init` writes an example."
        yield Finding("dumps", Verdict.WARNING, "there is no table [dumps]: no reports of dumps", advice)
        return
    directory = config.dumps.directory
    if not any(map(dump_of, directory.iterdir())):
        advice = f"Set it to where dumps such as 20240131_{config.dumps.volumes[0].name}.X.Y.stats.gz lie."
        yield Finding("dumps", Verdict.FAILURE, f"dumps.directory: no dumps in {directory}", advice)
        return
    for volume in config.dumps.volumes:
        try:
            yield from check_dump(config, volume)
        except BaseDirectoriesError as error:
            yield failure("dumps", "dumps.base_directories", error)
        except DumpNotFound as error:
            yield failure("dumps", "dumps.volumes", error)
        except LurgeError as error:
            yield failure("dumps", "dumps.directory", error)
        except OSError as error:
            said = f"dumps.directory: {error.filename}: {error.strerror}"
            yield Finding("dumps", Verdict.FAILURE, said, "Correct its permissions.")


def check_dump(config: Config, volume: Volume) -> Iterator[Finding]:
    """Check the newest dump of one volume. Raises LurgeError, OSError."""
    today = datetime.now(UTC).date()
    dump = newest_dump(config.dumps.directory, volume, today, config.dumps.max_days_ago)
    with closing(OpenDump(dump.path)) as opened:
        era = opened.era
    age = (today - dump.record_date).days
    said = f"{volume.name}: {dump.path}, {age} days old, {dump.size >> 20} MiB, {era}"
    yield Finding("dumps", Verdict.OK, said)
    chosen = task_of(config, dump).base_directories
    below = volume.mount.encode().rstrip(b"/") + b"/"
    if not any((path + b"/").startswith(below) for _, path in read_base_directories(chosen)):
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

    path = config.database.url.removeprefix("sqlite:///")
    if path != config.database.url and obstacle(Path(path).parent):
        # The check of directories says so.
        return
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
    if missing := database.missing_privileges(schema.metadata.tables):
        said = f"database.url: the user lacks {', '.join(missing)} on {database}"
        yield Finding("database", Verdict.FAILURE, said, "Give the user what is missing.")
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
        yield Finding("quotas", Verdict.WARNING, "no source of quotas: no warnings", "Set quota.providers.")
        return
    problems: dict[str, list[str]] = {}
    for volume in config.dumps.volumes if config.dumps_table else ():
        found, reasons = ask_providers(config, volume)
        if found:
            yield found
        else:
            # Volumes of which there is the same to say have one finding.
            problems.setdefault(reasons.replace(volume.name, "<volume>"), []).append(volume.name)
    for reasons, volumes in problems.items():
        yield Finding("quotas", Verdict.WARNING, f"quota.providers: {', '.join(volumes)}: {reasons}", QuotaError.advice)


def ask_providers(config: Config, volume: Volume) -> tuple[Finding | None, str]:
    """The first answer about a volume, or why there is none."""
    problems = []
    for provider in config.quota.providers:
        try:
            if provider == "csv":
                file = limits_file(config.quota.csv_directory, volume)
                said = f"{volume.name}: {len(read_limits(file))} groups in {file}"
                return Finding("quotas", Verdict.OK, said), ""
            return ask_lfs(volume.mount, config.quota.timeout), ""
        except QuotaError as error:
            problems.append(error.message)
    return None, "; ".join(problems)


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
    """Check that two ranks find each other; without MPI reports run alone."""
    if importlib.util.find_spec("mpi4py") is None:
        said = f"not installed: `lurge report` runs alone, on {usable_cores()} cores; lurge[mpi] brings it"
        yield Finding("MPI", Verdict.OK, said)
        return
    try:
        mpiexec = find_mpiexec()
    except MpiError as error:
        said = f"{error.message}: `lurge report` runs alone, on {usable_cores()} cores"
        yield Finding("MPI", Verdict.WARNING, said, error.advice)
        return
    ask = "import os; from mpi4py import MPI; os.write(1, b'%d ranks\\n' % MPI.COMM_WORLD.size)"
    try:
        done = subprocess.run(
            [mpiexec, "-n", "2", sys.executable, "-P", "-c", ask],
            capture_output=True,
            text=True,
            timeout=MPI_SECONDS,
            env={**ONE_MACHINE, **os.environ},
            stdin=subprocess.DEVNULL,
            check=False,
        )
        answer = done.stdout.split("\n")
    except subprocess.TimeoutExpired:
        answer = [f"no answer within {MPI_SECONDS} s"]
    if answer.count("2 ranks") == 2:
        yield Finding("MPI", Verdict.OK, f"{mpiexec} starts ranks that find each other")
    else:
        advice = "Use the mpiexec of the MPI that mpi4py was built for; `pip install 'lurge[mpi]'` brings both."
        yield Finding("MPI", Verdict.FAILURE, f"two ranks do not find each other: {' '.join(answer).strip()}", advice)


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
    from lurge.pipeline.frame.ticket import tracker_of
    from lurge.pipeline.recipes import RECIPES
    from lurge.tickets import JobTrackerError

    try:
        tracker = tracker_of(config, RECIPES)
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
        yield Finding(
            "batch",
            Verdict.WARNING,
            "neither bsub nor sbatch is on PATH",
            "Run `lurge report`, with MPI `lurge report -n RANKS`.",
        )
    for name in found:
        yield Finding("batch", Verdict.OK, f"{name} is on PATH")
    if "bsub" in found and not config.batch.group:
        yield Finding("batch", Verdict.WARNING, "batch.group is not set", "Many sites want bsub -G: set it.")
