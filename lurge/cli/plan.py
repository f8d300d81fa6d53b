"""`lurge plan`."""

from __future__ import annotations

import shlex
from datetime import datetime
from typing import Annotated

import typer

from lurge.cli.options import ConfigOption, JsonOption, put, say, say_json, set_verbosity
from lurge.display import counted


def plan(
    config: ConfigOption = None,
    ranks: Annotated[
        int | None,
        typer.Option("-n", "--ranks", metavar="N", min=1, help="Number of ranks (default: derived from the dumps)."),
    ] = None,
    backfill: Annotated[bool, typer.Option("--backfill", help="Plan `lurge backfill`.")] = False,
    since: Annotated[
        datetime | None,
        typer.Option("--since", metavar="DATE", formats=["%Y-%m-%d"], help="With --backfill: leave out older dumps."),
    ] = None,
    json: JsonOption = False,
    shell: Annotated[
        bool, typer.Option("--shell", help="Print shell assignments, for a script that submits the job.")
    ] = False,
) -> None:
    """Show the dumps to read, and the role of each rank.

    Example: lurge plan --config lurge.toml -n 8
    """
    set_verbosity(quiet=True, verbose=False)
    from lurge.config import load_config
    from lurge.model.sizes import human_size
    from lurge.pipeline.planning import plan_job

    settings = load_config(config, needs=["dumps"])
    job = plan_job(settings, ranks, backfill, since.date() if since else None)
    dates = sorted({dump.record_date.isoformat() for dump in job.dumps})
    facts = {
        "ranks": job.ranks,
        "memory_mb": job.memory_mb,
        "memory_mb_a_rank": job.memory_mb_a_rank,
        "queue": settings.batch.queue,
        "group": settings.batch.group,
        "logs": str(settings.batch.logs),
        "dates": len(dates),
    }
    if shell:
        put("\n".join(f"{name}={shlex.quote(str(value))}" for name, value in facts.items()))
    elif json:
        dumps = [{"volume": dump.volume.name, "path": str(dump.path), "bytes": dump.size} for dump in job.dumps]
        roles = [{"ranks": role.ranks, "role": role.role, "reads_first": role.volume} for role in job.roles]
        say_json({**facts, "dumps": dumps, "missing": job.missing, "roles": roles})
    else:
        lines = [f"{counted(job.ranks, 'rank')}, {job.memory_mb:,} MB"]
        lines += [f"  read {dump.volume.name}, {dump.record_date}, {human_size(dump.size)}" for dump in job.dumps]
        lines += [f"  missing {problem}" for problem in job.missing.values()]
        for role in job.roles:
            ranks_text = f"ranks {role.ranks[0]}-{role.ranks[-1]}" if len(role.ranks) > 1 else f"rank {role.ranks[0]}"
            first = f", beginning with {role.volume}" if role.volume and role.role.startswith("controller") else ""
            lines.append(f"  {ranks_text}: {role.role}{first}")
        if len(job.dumps) > sum(role.role.startswith("controller") for role in job.roles):
            lines.append("  controllers that are done take the next dump; at the end their workers help the others")
        say(*lines)
