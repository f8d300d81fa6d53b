"""All jobs of lurge, for those who list them. Importing this imports every recipe."""

from __future__ import annotations

from lurge.pipeline.backfill import BACKFILL
from lurge.pipeline.basedirs import BASEDIRS
from lurge.pipeline.lake import LOAD as LAKE_LOAD
from lurge.pipeline.ledger.apply import APPLY
from lurge.pipeline.ledger.importer import IMPORT
from lurge.pipeline.ledger.replay import REPLAY
from lurge.pipeline.ledger.service import SERVE
from lurge.pipeline.rebuild import REBUILD
from lurge.pipeline.report import REPORT, REPORT_AND_SPLIT
from lurge.pipeline.scan import SCAN
from lurge.pipeline.split import SPLIT
from lurge.pipeline.works import GATHER, LOAD

RECIPES = (
    REPORT, REPORT_AND_SPLIT, SPLIT, BACKFILL, REBUILD, SCAN, BASEDIRS, GATHER, LOAD, LAKE_LOAD, IMPORT, SERVE, APPLY,
    REPLAY,
)  # fmt: skip
