"""Fixtures that all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from tests.site import Site

settings.register_profile("lurge", deadline=None, max_examples=200)
settings.load_profile("lurge")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "site")
