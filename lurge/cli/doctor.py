"""`lurge doctor`."""

from __future__ import annotations

from dataclasses import asdict

import typer

from lurge.cli.options import ConfigOption, JsonOption, say, say_json, set_verbosity


def doctor(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Check everything that a job needs; say what to do about it.

    That is the configuration, dumps, database, names, quotas, MPI and batch system. Nothing is changed. The exit
    status is 1 if something fails.

    Example: lurge doctor --config lurge.toml
    """
    set_verbosity(quiet=True, verbose=False)
    from lurge.pipeline.doctor import Verdict, examine

    findings = []
    for one in examine(config):
        findings.append(one)
        if not json:
            advice = [f"{'':24}-> {one.advice}"] if one.advice else []
            say(f"{one.verdict.value:<8} {one.topic:<14} {one.said}", *advice)
    if json:
        say_json([asdict(one) for one in findings])
    raise typer.Exit(1 if any(one.verdict is Verdict.FAILURE for one in findings) else 0)
