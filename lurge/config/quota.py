"""[quota]: the sources of quotas."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, Strict, model_validator

from lurge.config.fields import Positive, RelativePath, directory_at
from lurge.config.section import Section, problem


class QuotaConfig(Section):
    """Quotas of groups. Without this table, groups have none."""

    providers: Annotated[tuple[Literal["lfs", "csv"], ...], Strict(False)] = Field(
        ("lfs", "csv"), description="Sources of quotas, in this order. For each group the first that answers counts."
    )
    csv_directory: RelativePath = Field(
        Path("quotas"),
        validate_default=True,
        description="Directory with a file for each volume, `<volume>.csv`. Its header is `group,limit`. Limits are in"
        " KiB. 0: no limit; `-` or empty: unknown.",
    )
    timeout: Positive = Field(30, description="Maximum time to wait for `lfs`, in seconds.")
    at_once: int = Field(8, ge=1, le=256, description="Maximum number of `lfs` queries at a time.")

    @model_validator(mode="after")
    def _check_directory(self) -> QuotaConfig:
        if "csv" in self.providers and "csv_directory" in self.model_fields_set:
            try:
                directory_at(self.csv_directory)
            except ValueError as error:
                raise problem(str(error), "csv_directory") from error
        return self
