"""[mpi]: the distribution of work between ranks."""

from __future__ import annotations

from pydantic import Field

from lurge.config.fields import Positive
from lurge.config.section import Section


class MpiConfig(Section):
    """The distribution of work between ranks."""

    block_records: int = Field(250, ge=1, le=100_000, description="Lines in a block.")
    workers_per_volume: Positive = Field(
        6,
        description="Maximum number of workers for each controller. The default keeps a controller busy"
        " (docs/performance.md).",
    )
