"""Words of the lake that commands offer. It imports nothing: every command imports it."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """A format of data files."""

    CSV = "CSV"
    ORC = "ORC"
    PARQUET = "Parquet"


class By(StrEnum):
    """The rows of a table of usage."""

    PREFIX = "prefix"
    STORAGE_CLASS = "storageclass"
    AGE = "age"
    OWNER = "owner"
    ENCRYPTION = "encryption"
    VERSION = "version"
