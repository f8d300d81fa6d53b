"""`lurge doctor`."""

from __future__ import annotations

from dataclasses import asdict

import typer

from lurge.cli.options import ConfigOption, JsonOption, say, say_json, set_verbosity


def doctor(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Check everything that a job needs, with advice on each problem.

    This covers the configuration, dumps, database, names, quotas, MPI, libraries and batch system. Nothing is changed.
    The exit status is 1 if something fails.

    Example: lurge doctor --config lurge.toml
    """
    set_verbosity(quiet=True, verbose=False)
    from lurge.pipeline.doctor.examine import examine
    from lurge.pipeline.doctor.finding import Verdict

    findings = []
    for finding in examine(config):
        findings.append(finding)
        if not json:
            advice = [f"{'':24}-> {finding.advice}"] if finding.advice else []
            say(f"{finding.verdict.value:<8} {finding.topic:<14} {finding.said}", *advice)
    if json:
        say_json([asdict(finding) for finding in findings])
    raise typer.Exit(1 if any(finding.verdict is Verdict.FAILURE for finding in findings) else 0)
