"""The JSON schema for editors says what the models say."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import jsonschema
import pytest

from lurge.config import Config
from lurge.config.json_schema import published_schema
from tests.unit.config.test_load import FULL

SCHEMA = published_schema(Config)


def test_a_full_file_fits_the_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(tomllib.loads(FULL), SCHEMA)
    jsonschema.validate({}, SCHEMA)


@pytest.mark.parametrize(
    "text",
    [
        "[dunps]",
        "[mpi]\nblock_record = 1",
        "[mpi]\nblock_records = 0",
        "[dumps]\nvolumes = [1]",
        "[dumps]\nvolumes = [{ name = 'x' }]",
        "[quota]\nproviders = ['tea']",
        "[filetypes]\nBAM = 'bam'",
        "[database]\npassword = 'x'",
    ],
)
def test_a_mistake_does_not_fit_the_schema(text: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(text), SCHEMA)


def test_every_key_has_a_meaning() -> None:
    for name, definition in SCHEMA["$defs"].items():
        assert definition["description"], name
        for key, value in definition["properties"].items():
            assert "$ref" in value or value.get("description"), f"{name}.{key}"


def test_the_shipped_schema_is_that_of_the_models() -> None:
    shipped = Path(__file__).parents[3] / "docs" / "lurge.schema.json"
    assert json.loads(shipped.read_text()) == SCHEMA
