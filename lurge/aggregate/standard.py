"""The aggregates of the main job, and the volume's report that their results make."""

from __future__ import annotations

from dataclasses import replace

from lurge.aggregate.directories import DIRECTORIES
from lurge.aggregate.usage import GROUPS, UNATTRIBUTED_USAGE, USERS
from lurge.aggregate.vault import VAULT
from lurge.aggregate.volume import Results
from lurge.model.report import VolumeReport

STANDARD = (GROUPS, UNATTRIBUTED_USAGE, USERS, DIRECTORIES, VAULT)


def volume_report(results: Results) -> VolumeReport:
    """The report of a volume, from a pass with the STANDARD aggregates."""
    vault = results.of(VAULT)
    return VolumeReport(
        counts=replace(results.counts, bad_vault_keys=vault.bad_keys),
        groups=results.of(GROUPS),
        directories=results.of(DIRECTORIES),
        users=results.of(USERS),
        unattributed=results.of(UNATTRIBUTED_USAGE),
        vault=vault.files,
        samples=[*results.samples, *vault.samples],
    )
