"""Sites whose reports are made once."""

from __future__ import annotations

import pytest
from fastapi import FastAPI

from tests.pages.world import OTHERS, THEIRS, app_of, make_site
from tests.site import Site


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Our group and another."""
    return make_site(tmp_path_factory.mktemp("world") / "site", THEIRS)


@pytest.fixture(scope="session")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The same, with a different other group."""
    return make_site(tmp_path_factory.mktemp("twin") / "site", OTHERS)


@pytest.fixture(scope="session")
def app(world: Site) -> FastAPI:
    return app_of(world)
