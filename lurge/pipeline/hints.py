"""Warnings about a stored volume whose base directories, names or quotas are missing."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from itertools import islice

from lurge.aggregate.plain import Record, Rejected, group_of, holders, read_record
from lurge.config import Config
from lurge.enrich.identity import Names
from lurge.errors import LurgeError
from lurge.model.dump import Dump
from lurge.model.paths import shown
from lurge.model.report import VolumeReport
from lurge.model.rules import Rules
from lurge.parallel.blocks import OpenDump
from lurge.pipeline.work import task_of

log = logging.getLogger(__name__)


def hint_at_attribution(config: Config, dump: Dump, report: VolumeReport, rules: Rules) -> Iterator[str]:
    """Warn if less than half of the records are attributed, with the .basedirs file and a path that it lacks."""
    counts = report.counts
    if counts.unattributed <= counts.attributed:
        return
    share = f"only {counts.attributed:,}" if counts.attributed else "none"
    try:
        file = str(task_of(config, dump).base_directories)
        record = sample_unattributed(dump, rules, config.mpi.block_records)
    except (LurgeError, OSError) as error:
        log.debug("no sample of %s: %s", dump.path, error)
        file, record = "the .basedirs file", None
    sample = f", such as {shown(record.path)} of gid {record.gid}" if record else ""
    yield (
        f"{dump.volume.name}: {share} of {counts.attributed + counts.unattributed:,} records are attributed;"
        f" {file} has no base directory for the rest{sample}."
        f" Make base directories with `lurge basedirs {dump.path}`, or set dumps.base_directories"
    )


def sample_unattributed(dump: Dump, rules: Rules, block_records: int) -> Record | None:
    """The first unattributed record at the beginning of a dump, preferably a file.

    Raises StreamError.
    """
    _, bases = rules.bases()
    pseudo = rules.pseudo_gids()
    first: Record | None = None
    with closing(OpenDump(dump.path)) as opened:
        for batch in islice(opened.batches(block_records), 1):
            for line in batch.text.tobytes().split(b"\n"):
                try:
                    record = read_record(line, rules)
                except Rejected:
                    continue
                gid = group_of(record, pseudo)
                if record.nlink == 0 or any((gid, above) in bases for above in holders(record.path)):
                    continue
                if record.type == "f":
                    return record
                first = first or record
    return first


def hint_at_names(config: Config, names: Names, dump: Dump, report: VolumeReport) -> Iterator[str]:
    """Warn of groups and users without a name on this machine, if names come from it."""
    if config.identity.provider != "nss":
        return
    pseudo = {group.gid for group in config.pseudo_groups}
    gids = {row.gid for row in report.users} - pseudo
    uids = {row.uid for row in report.users}
    groups = sum(names.identity.group(gid) is None for gid in gids)
    users = sum(names.identity.user(uid) is None for uid in uids)
    if groups or users:
        yield (
            f"{dump.volume.name}: {groups} of {len(gids)} groups and {users} of {len(uids)} users without a name here,"
            ' stored under their numbers. Set identity.provider to "files" or "ldap" to name them'
        )


def hint_at_quotas(config: Config, dump: Dump, gids: Collection[int], quotas: Mapping[int, int]) -> Iterator[str]:
    """Warn of groups without a quota, if quotas are configured."""
    without = sum(not quotas.get(gid) for gid in gids)
    if config.quota.providers and without:
        yield f"{dump.volume.name}: {without} of {len(gids)} groups without a quota, and so without a forecast of it"
