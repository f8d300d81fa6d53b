"""[reports]: the files that are written for people."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from lurge.config.fields import RelativePath, Strings
from lurge.config.section import Section


class ReportsConfig(Section):
    """Reports that are written to files."""

    directory: RelativePath = Field(
        Path("out"), validate_default=True, description="The report directory, for the TSVs and all other output."
    )
    deep_directories: Strings = Field(
        ("users", "projects"), description="Subdirectories that are reported one level deeper."
    )
