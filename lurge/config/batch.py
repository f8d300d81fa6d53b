"""[batch]: options of the job that is submitted to a scheduler."""

from __future__ import annotations

from pydantic import Field

from lurge.config.fields import Positive, RelativePath, in_reports
from lurge.config.section import Section


class BatchConfig(Section):
    """The job that `scripts/cron.sh` submits."""

    queue: str = Field(
        "", description="`-q` of bsub, `--partition` of sbatch. Empty: the scheduler's default.", examples=["normal"]
    )
    group: str = Field(
        "", description="`-G` of bsub, `--account` of sbatch. Empty: the scheduler's default.", examples=["hgi"]
    )
    ranks: int = Field(0, ge=0, le=100_000, description="Number of ranks. 0: derived from the dumps.")
    memory_mb: Positive = Field(
        1000,
        description="Memory of each rank, in MB. `lurge plan` requests more if the number of stored directories"
        " requires it.",
    )
    logs: RelativePath = in_reports("logs", "Directory of the logs, with a folder for each day.")
