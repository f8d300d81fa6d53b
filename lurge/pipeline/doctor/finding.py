"""Findings of checks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lurge.errors import LurgeError


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILURE = "FAILURE"


@dataclass(frozen=True)
class Finding:
    """The result of one check. advice: how to correct it; empty if all is well."""

    topic: str
    verdict: Verdict
    said: str
    advice: str = ""


def failure(topic: str, key: str, error: LurgeError) -> Finding:
    """An error as a finding. key: the key of the configuration to name, if there is one."""
    return Finding(topic, Verdict.FAILURE, f"{key}: {error.message}" if key else error.message, error.advice)
