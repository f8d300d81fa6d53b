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
        typer.Option("-n", "--ranks", metavar="N", min=1, help="With N ranks; else as many as there should be."),
    ] = None,
    backfill: Annotated[bool, typer.Option("--backfill", help="For `lurge backfill`.")] = False,
    since: Annotated[
        datetime | None,
        typer.Option("--since", metavar="DATE", formats=["%Y-%m-%d"], help="Of a backfill: leave out older dumps."),
    ] = None,
    json: JsonOption = False,
    shell: Annotated[
        bool, typer.Option("--shell", help="Print assignments for a script that submits the job.")
    ] = False,
) -> None:
    """Show what there is to read, and who would do what.

    Example: lurge plan --config lurge.toml -n 8
    """
    set_verbosity(quiet=True, verbose=False)
    from lurge.config import load_config
    from lurge.model.sizes import human_size
    from lurge.pipeline.planning import plan_job

    settings = load_config(config, needs=["dumps"])
    found = plan_job(settings, ranks, backfill, since.date() if since else None)
    dates = sorted({dump.record_date.isoformat() for dump in found.dumps})
    facts = {
        "ranks": found.ranks,
        "memory_mb": found.memory_mb,
        "memory_mb_a_rank": found.memory_mb_a_rank,
        "queue": settings.batch.queue,
        "group": settings.batch.group,
        "logs": str(settings.batch.logs),
        "dates": len(dates),
    }
    if shell:
        put("\n".join(f"{name}={shlex.quote(str(value))}" for name, value in facts.items()))
    elif json:
        dumps = [{"volume": one.volume.name, "path": str(one.path), "bytes": one.size} for one in found.dumps]
        who = [{"ranks": one.ranks, "role": one.role, "reads_first": one.volume} for one in found.roles]
        say_json({**facts, "dumps": dumps, "missing": found.missing, "roles": who})
    else:
        lines = [f"{counted(found.ranks, 'rank')}, {found.memory_mb:,} MB"]
        lines += [f"  read {one.volume.name}, {one.record_date}, {human_size(one.size)}" for one in found.dumps]
        lines += [f"  missing {problem}" for problem in found.missing.values()]
        for one in found.roles:
            several = f"ranks {one.ranks[0]}-{one.ranks[-1]}" if len(one.ranks) > 1 else f"rank {one.ranks[0]}"
            first = f", beginning with {one.volume}" if one.volume and one.role.startswith("controller") else ""
            lines.append(f"  {several}: {one.role}{first}")
        if len(found.dumps) > sum(one.role.startswith("controller") for one in found.roles):
            lines.append("  controllers that are done take the next dump; at the end their workers help the others")
        say(*lines)
