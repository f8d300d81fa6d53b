"""The model of the whole lurge.toml, with every section."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator

from lurge.config.basedirs import BasedirsConfig
from lurge.config.batch import BatchConfig
from lurge.config.database import DatabaseConfig
from lurge.config.dumps import DumpsConfig
from lurge.config.filetypes import Filetypes
from lurge.config.identity import IdentityConfig
from lurge.config.lake import LakeConfig
from lurge.config.ledger import LedgerConfig
from lurge.config.mpi import MpiConfig
from lurge.config.path_aliases import Aliases
from lurge.config.pseudo_groups import PseudoGroups
from lurge.config.quota import QuotaConfig
from lurge.config.reports import ReportsConfig
from lurge.config.section import Context, Section, table
from lurge.config.serve import ServeConfig
from lurge.config.split import SplitConfig
from lurge.config.tickets import TicketsConfig
from lurge.config.tree import TreeConfig
from lurge.config.warnings import WarningLevel, WarningsConfig
from lurge.config.works import WorksConfig


class Config(Section):
    """Configuration of lurge. Relative paths are relative to the file."""

    dumps_table: DumpsConfig | None = Field(None, alias="dumps")
    # Before all sections with paths in the report directory.
    reports: ReportsConfig = table()
    database: DatabaseConfig = table()
    filetypes: Filetypes = Field(
        default_factory=dict,
        validate_default=True,
        description="Name = list of suffixes. They are matched at the end of a file's name, without regard to case."
        " This table replaces the built-in filetypes.",
        examples=[{"BAM": [".bam"], "VCF (gzip)": [".vcf.gz", ".bcf.gz"]}],
    )
    path_aliases: Aliases = Field(
        default_factory=dict,
        validate_default=True,
        description="Regular expression = replacement, for paths that people know under other names. An expression"
        " must match whole components from the start of a path. The first that matches is applied.",
        examples=[{"/lustre/scratch123/hgi/mdt[0-9]/teams": "/lustre/scratch123/hgi/teams"}],
    )
    pseudo_groups: PseudoGroups = Field(())
    identity: IdentityConfig = table()
    quota: QuotaConfig = Field(default_factory=lambda: QuotaConfig(providers=()))
    warnings: WarningsConfig = table()
    mpi: MpiConfig = table()
    basedirs: BasedirsConfig = table()
    tickets: TicketsConfig = table()
    split: SplitConfig = table()
    tree: TreeConfig = table()
    serve: ServeConfig = table()
    works: WorksConfig = table()
    lake: LakeConfig = table()
    ledger: LedgerConfig = table()
    batch: BatchConfig = table()

    _file: Path = PrivateAttr(Path())

    @field_validator("reports")
    @classmethod
    def _note_report_directory(cls, reports: ReportsConfig, info: ValidationInfo) -> ReportsConfig:
        if info.context:
            info.context.reports = reports.directory
        return reports

    def model_post_init(self, context: Any) -> None:
        if isinstance(context, Context):
            self._file = context.file

    @property
    def file(self) -> Path:
        """The file that was read; its default path if no file exists."""
        return self._file

    @property
    def dumps(self) -> DumpsConfig:
        """The table [dumps]. Raises ConfigError if the file does not have it."""
        self.need("dumps")
        assert self.dumps_table
        return self.dumps_table

    @property
    def levels(self) -> tuple[WarningLevel, ...]:
        return self.warnings.levels

    def need(self, table: str) -> None:
        """Raise ConfigError if the file lacks a table that a command needs."""
        if getattr(self, f"{table}_table") is None:
            from lurge.config.problems import missing_table

            raise missing_table(self._file, type(self), table)
