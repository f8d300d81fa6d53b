"""Running every check."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lurge.config import Config, load_config
from lurge.errors import LurgeError
from lurge.pipeline.doctor.batch import check_batch
from lurge.pipeline.doctor.database import check_database
from lurge.pipeline.doctor.directories import check_directories
from lurge.pipeline.doctor.dumps import check_dumps
from lurge.pipeline.doctor.finding import Finding, Verdict, failure
from lurge.pipeline.doctor.identity import check_identity
from lurge.pipeline.doctor.interfaces import check_interfaces
from lurge.pipeline.doctor.kernels import check_cache
from lurge.pipeline.doctor.mpi import check_mpi
from lurge.pipeline.doctor.quotas import check_quotas
from lurge.pipeline.doctor.tickets import check_tickets
from lurge.pipeline.outputs import REPORTS


@dataclass(frozen=True)
class Check:
    """A check of one stage. key: the key of the configuration that its errors name."""

    topic: str
    key: str
    look: Callable[[Config], Iterator[Finding]]


CHECKS = (
    Check("reports", REPORTS, check_directories),
    Check("dumps", "dumps.directory", check_dumps),
    Check("database", "database.url", check_database),
    Check("identity", "identity.provider", check_identity),
    Check("quotas", "quota.providers", check_quotas),
    Check("MPI", "", check_mpi),
    Check("kernels", "", check_cache),
    Check("interfaces", "", check_interfaces),
    Check("tickets", "tickets.directory", check_tickets),
    Check("batch", "batch", check_batch),
)


def examine(file: Path | None) -> Iterator[Finding]:
    """The findings of all checks, each once. If the configuration cannot be read, that is the only one."""
    try:
        config = load_config(file)
    except LurgeError as error:
        yield failure("configuration", "", error)
        return
    yield Finding("configuration", Verdict.OK, str(config.file))
    known = set()
    for check in CHECKS:
        for finding in guarded(check, config):
            if finding not in known:
                known.add(finding)
                yield finding


def guarded(check: Check, config: Config) -> Iterator[Finding]:
    """The findings of one check. An error that stops it is one, too."""
    try:
        yield from check.look(config)
    except LurgeError as error:
        yield failure(check.topic, check.key, error)
    except OSError as error:
        problem = f"{check.key}: {error.filename}: {error.strerror}".removeprefix(": ")
        yield Finding(check.topic, Verdict.FAILURE, problem, "Correct its permissions.")
