"""constraints.txt: CI installs exact versions, of every package, that setup.cfg allows."""

from __future__ import annotations

import os

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.pins import BUILD, FILE, PROJECT, installed_versions, named_in_setup, pinned_versions


def test_every_package_that_ci_installs_is_pinned() -> None:
    assert set(pinned_versions()) == {*installed_versions(), *BUILD}, "run `make constraints`"


@pytest.mark.parametrize("requirement", named_in_setup(), ids=str)
def test_a_pinned_version_is_one_that_setup_cfg_allows(requirement: Requirement) -> None:
    assert requirement.specifier.contains(pinned_versions()[canonicalize_name(requirement.name)])


@pytest.mark.parametrize("name", ["typer", "rich"])
def test_packages_that_write_the_text_of_help_have_an_upper_bound(name: str) -> None:
    (requirement,) = (requirement for requirement in named_in_setup() if requirement.name == name)
    assert "<" in str(requirement.specifier)


def test_ci_installs_with_the_pins() -> None:
    script = (PROJECT / ".ci" / "run").read_text()
    assert script.index("PIP_CONSTRAINT") < script.index("make lint")


@pytest.mark.skipif(os.environ.get("PIP_CONSTRAINT") != str(FILE), reason="only .ci/run installs the pinned versions")
def test_ci_has_installed_the_pinned_versions() -> None:
    assert installed_versions().items() <= pinned_versions().items()
