"""lurge.toml as frozen dataclasses."""

from lurge.config.load import DEFAULT_FILE, FILE_VARIABLE, TICKETS_VARIABLE, load_config
from lurge.config.settings import BasedirsConfig, Config

__all__ = ["DEFAULT_FILE", "FILE_VARIABLE", "TICKETS_VARIABLE", "BasedirsConfig", "Config", "load_config"]
