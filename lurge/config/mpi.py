"""[mpi]: how ranks share the work."""

from __future__ import annotations

from pydantic import Field

from lurge.config.fields import Positive
from lurge.config.section import Section


class MpiConfig(Section):
    """Ranks that read dumps together."""

    block_records: int = Field(250, ge=1, le=100_000, description="Lines in a block.")
    workers_per_volume: Positive = Field(
        6,
        description="Maximum number of workers that one controller feeds. It keeps one busy"
        " (docs/performance.md), so no more are planned for.",
    )
