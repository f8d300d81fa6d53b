"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from tests.site import Site

# A longer hunt: LURGE_EXAMPLES=5000 pytest tests/property
settings.register_profile("lurge", deadline=None, max_examples=int(os.environ.get("LURGE_EXAMPLES", "200")))
settings.load_profile("lurge")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")
