"""The configuration: lurge.toml as frozen models, one module for each section."""

from lurge.config.document import DEFAULT_FILE, FILE_VARIABLE
from lurge.config.load import load_config
from lurge.config.settings import Config

__all__ = ["DEFAULT_FILE", "FILE_VARIABLE", "Config", "load_config"]
