"""The packages that CI installs, and their exact versions: constraints.txt.

python -m tests.pins        # pin the versions of this environment (`make constraints`)
"""

from __future__ import annotations

import configparser
import importlib.metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import lurge

PROJECT = Path(lurge.__file__).parent.parent
FILE = PROJECT / "constraints.txt"
CI_EXTRAS = (
    "mpi",
    "serve",
    "lint",
    "ldap",
    "s3",
    "lake",
    "ledger",
    "broker",
    "test",
    "services",
    "postgresql",
    "mysql",
)
"""The extras that `make lint` and `make test` install."""

HEADING = """\
# Exact versions of the packages that CI installs, so that a new release of one cannot break it: .ci/run names this file
# in PIP_CONSTRAINT. `make constraints` pins the versions of .venv. setuptools builds the packages.
"""
BUILD = {"setuptools": "84.2.1"}


def named_in_setup() -> list[Requirement]:
    """The requirements of lurge and of the extras of CI."""
    setup = configparser.ConfigParser()
    setup.read(PROJECT / "setup.cfg")
    lists = [setup["options"]["install_requires"], *(setup["options.extras_require"][extra] for extra in CI_EXTRAS)]
    lines = [line.strip() for text in lists for line in text.splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def installed_versions() -> dict[str, str]:
    """By name: the installed version of every package that CI needs. Fails if a package is missing."""
    versions: dict[str, str] = {}
    left = named_in_setup()
    seen: set[tuple[str, frozenset[str]]] = set()
    while left:
        requirement = left.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        package = importlib.metadata.distribution(requirement.name)
        versions[key[0]] = package.version
        for line in package.requires or []:
            below = Requirement(line)
            if any(not below.marker or below.marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras)):
                left.append(below)
    return versions


def pinned_versions() -> dict[str, str]:
    lines = [line for line in FILE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return dict(line.split("==") for line in lines)


def main() -> None:
    versions = {**installed_versions(), **BUILD}
    lines = [f"{name}=={version}\n" for name, version in sorted(versions.items())]
    FILE.write_text(HEADING + "".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
