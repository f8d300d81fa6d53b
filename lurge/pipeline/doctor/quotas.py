"""Checks of the sources of quotas."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

from lurge.config import Config
from lurge.enrich.quota import limit_of, limits_file, read_limits, run_briefly
from lurge.errors import QuotaError
from lurge.model.dump import Volume
from lurge.pipeline.doctor.finding import Finding, Verdict


def check_quotas(config: Config) -> Iterator[Finding]:
    """Check that a source of quotas answers for each volume."""
    if not config.quota.providers:
        yield Finding("quotas", Verdict.WARNING, "no source of quotas: no warnings", "Set quota.providers.")
        return
    problems: dict[str, list[str]] = {}
    for volume in config.dumps.volumes if config.dumps_table else ():
        answer, reasons = ask_providers(config, volume)
        if answer:
            yield answer
        else:
            # Volumes with the same problem share a finding.
            problems.setdefault(reasons.replace(volume.name, "<volume>"), []).append(volume.name)
    for reasons, volumes in problems.items():
        yield Finding("quotas", Verdict.WARNING, f"quota.providers: {', '.join(volumes)}: {reasons}", QuotaError.advice)


def ask_providers(config: Config, volume: Volume) -> tuple[Finding | None, str]:
    """The first answer about a volume, or the reasons why there is none."""
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
