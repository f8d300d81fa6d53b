"""What a configuration says, as frozen dataclasses. Every key, with its meaning: docs/configuration.md."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from lurge.model.dump import Volume
from lurge.model.paths import PathAliases
from lurge.model.rules import FileType, PseudoGroup

BUILT_IN_FILETYPES = (
    FileType("SAM", (".sam", ".sam.gz")),
    FileType("BAM", (".bam",)),
    FileType("CRAM", (".cram", ".cram.gz")),
    FileType("FASTQ", (".fastq", ".fq")),
    FileType("FASTQ (gzip)", (".fastq.gz", ".fq.gz")),
    FileType("VCF", (".vcf", ".bcf", ".gvcf")),
    FileType("VCF (gzip)", (".vcf.gz", ".bcf.gz", ".gvcf.gz")),
    FileType("PEDBED", (".ped", ".bed", ".ped.gz", ".bed.gz")),
)


class Secret:
    """A password that shows itself to nobody who does not ask."""

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret"


@dataclass(frozen=True)
class DumpsConfig:
    directory: Path
    volumes: tuple[Volume, ...]
    max_days_ago: int
    max_rejected_fraction: float
    base_directories: Path | None


@dataclass(frozen=True)
class ReportsConfig:
    directory: Path
    deep_directories: tuple[str, ...]


@dataclass(frozen=True)
class DatabaseConfig:
    """url: sqlite:///PATH with the path as it is, mysql+mysqldb://... or postgresql+psycopg://... without a password.

    option_file: a MySQL option file. retry_seconds: for how long work is tried again where the database went away.
    tls: off, prefer, require or verify. ca_file: who may sign the server's certificate; None: whom the system trusts.
    swap: transaction, or tagged for steps with a commit each.
    """

    url: str
    password: Secret | None = None
    option_file: Path | None = None
    retry_seconds: int = 120
    tls: str = "prefer"
    ca_file: Path | None = None
    swap: str = "transaction"


@dataclass(frozen=True)
class LdapConfig:
    """One LDAP server. timeout: seconds for every answer; page_size: entries a page."""

    url: str
    group_base: str
    people_base: str
    bind_dn: str = ""
    password: Secret | None = None
    pi_attribute: str = "sangerProjectPI"
    start_tls: bool = False
    ca_file: Path | None = None
    timeout: int = 60
    page_size: int = 500


@dataclass(frozen=True)
class IdentityConfig:
    """provider: nss, files or ldap. `cache` keeps the last names of ldap, which stand in if `on_failure` lets them."""

    provider: str
    groups: Path | None
    users: Path | None
    ldap: LdapConfig | None
    on_failure: str
    cache: Path


@dataclass(frozen=True)
class QuotaConfig:
    """timeout: seconds for one answer of lfs; at_once: how many are asked for at the same time."""

    providers: tuple[str, ...] = ()
    csv_directory: Path = Path("quotas")
    timeout: int = 30
    at_once: int = 8


@dataclass(frozen=True)
class WarningLevel:
    """`level` is given where the expected use in `days` days exceeds `fraction` of the quota."""

    level: int
    days: int
    fraction: Fraction


BUILT_IN_LEVELS = (
    WarningLevel(3, 3, Fraction(85, 100)),
    WarningLevel(3, 7, Fraction(95, 100)),
    WarningLevel(2, 3, Fraction(80, 100)),
    WarningLevel(2, 7, Fraction(85, 100)),
)


@dataclass(frozen=True)
class MpiConfig:
    block_records: int
    workers_per_volume: int


@dataclass(frozen=True)
class BasedirsConfig:
    """How deep base directories lie: components below the root, and otherwise below some paths."""

    depth: int = 5
    prefixes: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class TicketsConfig:
    """directory: where tickets lie. jobs: a file with more jobs. stale_seconds: how long one may be silent."""

    directory: Path
    jobs: Path | None
    stale_seconds: int


@dataclass(frozen=True)
class S3Config:
    bucket: str
    prefix: str
    endpoint_url: str | None


@dataclass(frozen=True)
class SplitConfig:
    directory: Path
    s3: S3Config | None


@dataclass(frozen=True)
class BatchConfig:
    """What a scheduler is asked for. group: whose share pays; ranks: 0 to work it out from the dumps."""

    queue: str
    group: str
    ranks: int
    memory_mb: int
    logs: Path


@dataclass(frozen=True)
class Config:
    file: Path
    dumps: DumpsConfig
    reports: ReportsConfig
    database: DatabaseConfig
    filetypes: tuple[FileType, ...]
    path_aliases: PathAliases
    pseudo_groups: tuple[PseudoGroup, ...]
    identity: IdentityConfig
    quota: QuotaConfig
    levels: tuple[WarningLevel, ...]
    mpi: MpiConfig
    basedirs: BasedirsConfig
    tickets: TicketsConfig
    split: SplitConfig
    batch: BatchConfig
