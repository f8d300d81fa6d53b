"""Reading lurge.toml. All keys are in docs/configuration.md."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from lurge.config.document import Document, Place, find_file
from lurge.config.elsewhere import Elsewhere, look_elsewhere, with_value
from lurge.config.section import Context
from lurge.config.settings import Config


@dataclass(frozen=True)
class Loaded:
    """A configuration, the document that it was read from, and the values from outside the document."""

    config: Config
    document: Document
    elsewhere: dict[Place, Elsewhere]


def load(given: Path | None = None, optional: bool = False) -> Loaded:
    """Read and check the configuration.

    given: the file of --config. optional: ./lurge.toml need not exist; without it, all values are defaults. Raises
    ConfigError, which names file, line and key.
    """
    document = Document.read(find_file(given, optional))
    values = document.values
    elsewhere = look_elsewhere(Config, document)
    for place, external in elsewhere.items():
        values = with_value(values, place, external.value)
    try:
        config = Config.model_validate(values, context=Context(document.file))
    except ValidationError as error:
        # Imported only here, because most files are correct, and the import takes time.
        from lurge.config.problems import config_error

        raise config_error(document, Config, error, elsewhere) from None
    return Loaded(config, document, elsewhere)


def load_config(given: Path | None = None, *, optional: bool = False, needs: Collection[str] = ()) -> Config:
    """The configuration, as `load` reads it. needs: tables that the command requires. Raises ConfigError."""
    config = load(given, optional).config
    for table in needs:
        config.need(table)
    return config
