"""lurge.toml as frozen dataclasses. Every key, with its meaning: docs/configuration.md."""

from __future__ import annotations

import logging
import os
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from lurge.errors import ConfigError
from lurge.model.dump import Volume
from lurge.model.paths import PathAliases
from lurge.model.rules import FileType, PseudoGroup

DEFAULT_FILE = "lurge.toml"
FILE_VARIABLE = "LURGE_CONFIG"

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

log = logging.getLogger(__name__)

TABLES = (
    "dumps", "reports", "database", "filetypes", "path_aliases", "pseudo_groups", "identity", "quota", "mpi",
    "warnings", "basedirs",
)  # fmt: skip

T = TypeVar("T")
KINDS: dict[type, str] = {
    str: "a string", int: "a whole number", float: "a number", list: "a list", dict: "a table", bool: "true or false",
}  # fmt: skip


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
class IdentityConfig:
    provider: str
    groups: Path | None
    users: Path | None


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
class Config:
    file: Path
    dumps: DumpsConfig
    reports: ReportsConfig
    database_url: str
    filetypes: tuple[FileType, ...]
    path_aliases: PathAliases
    pseudo_groups: tuple[PseudoGroup, ...]
    identity: IdentityConfig
    mpi: MpiConfig
    basedirs: BasedirsConfig


class Table:
    """One table of the file: typed values by key.

    known: its keys, where they are not free. Raises ConfigError for any other.
    """

    def __init__(self, file: Path, name: str, values: Mapping[str, Any], known: Collection[str] = ()) -> None:
        self.file = file
        self._name = name
        self._values = values
        for key in values if known else ():
            if key not in known:
                raise self.error(key, "is unknown")

    def has(self, key: str) -> bool:
        return key in self._values

    def names(self) -> list[str]:
        return list(self._values)

    def error(self, key: str, problem: str) -> ConfigError:
        return ConfigError(self.file, f"{self._name}.{key}".strip("."), problem)

    def take(self, key: str, kind: type[T], default: T | None = None) -> T:
        """The value of `key`; the default where it is missing. Raises ConfigError where there is none of either."""
        if key not in self._values:
            if default is None:
                raise self.error(key, "is missing")
            return default
        value = self._values[key]
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise self.error(key, f"must be {KINDS[kind]}")
        return value

    def number(self, key: str, kind: type[T], default: T | None, lowest: float, highest: float = 2**31) -> T:
        value = self.take(key, kind, default)
        if not lowest <= value <= highest:  # type: ignore[operator]  # kind is int or float
            raise self.error(key, f"must be between {lowest} and {highest}")
        return value

    def text(self, key: str) -> str:
        """A string that is not empty and that a file's name or a database can hold."""
        value = self.take(key, str)
        if not value.strip() or "\0" in value:
            raise self.error(key, "must not be empty or hold a NUL")
        return value

    def strings(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        values = self.take(key, list, list(default) if default is not None else None)
        if not all(isinstance(value, str) and value for value in values):
            raise self.error(key, "must be a list of strings that are not empty")
        return tuple(values)

    def path(self, key: str, default: str | None = None) -> Path:
        """A path, relative to the file."""
        return self.file.parent / (self.text(key) if self.has(key) or default is None else default)

    def existing(self, key: str, default: str | None, test: Callable[[str], bool], what: str) -> Path:
        path = self.path(key, default)
        if not test(str(path)):
            raise self.error(key, f"{path} is no {what}")
        return path

    def absolute(self, key: str) -> str:
        path = self.text(key)
        if not path.startswith("/"):
            raise self.error(key, "must be an absolute path")
        return path.rstrip("/") or "/"

    def table(self, key: str, *known: str) -> Table:
        return Table(self.file, f"{self._name}.{key}".strip("."), self.take(key, dict, {}), known)

    def tables(self, key: str, *known: str) -> list[Table]:
        values = self.take(key, list, [])
        if not all(isinstance(value, dict) for value in values):
            raise self.error(key, "must be a list of tables")
        name = f"{self._name}.{key}".strip(".")
        return [Table(self.file, f"{name}[{i}]", value, known) for i, value in enumerate(values)]


def find_file(given: Path | None) -> Path:
    """The configuration file: the given one, else $LURGE_CONFIG, else ./lurge.toml."""
    named = given or (Path(os.environ[FILE_VARIABLE]) if os.environ.get(FILE_VARIABLE) else None)
    file = named or Path(DEFAULT_FILE)
    if not os.path.isfile(file):
        raise ConfigError(
            file, "", "no such file", f"Give --config FILE, set ${FILE_VARIABLE}, or write {DEFAULT_FILE} here."
        )
    return file.absolute()


def load_config(given: Path | None = None) -> Config:
    """Read and check the configuration. Raises ConfigError, which names the file and the key."""
    file = find_file(given)
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(file, "", error.strerror or str(error)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(file, "", f"is not TOML: {error}") from error
    top = Table(file, "", values, TABLES)
    config = Config(
        file=file,
        dumps=_dumps(
            top.table("dumps", "directory", "volumes", "max_days_ago", "max_rejected_fraction", "base_directories")
        ),
        reports=_reports(top.table("reports", "directory", "deep_directories")),
        database_url=_database(top.table("database", "url"), file),
        filetypes=_filetypes(top.table("filetypes")),
        path_aliases=_aliases(top.table("path_aliases")),
        pseudo_groups=_pseudo_groups(top.tables("pseudo_groups", "path", "gid", "name", "pi")),
        identity=_identity(top.table("identity", "provider", "files", "ldap")),
        mpi=_mpi(top.table("mpi", "block_records", "workers_per_volume")),
        basedirs=_basedirs(top.table("basedirs", "depth", "prefixes")),
    )
    _check_what_later_versions_read(top)
    return config


def _check_what_later_versions_read(top: Table) -> None:
    """Quotas and warnings have their place in the file, but this version does not compute them."""
    quota = top.table("quota", "providers", "csv_directory")
    providers = quota.strings("providers", ())
    quota.take("csv_directory", str, "")
    warnings = top.table("warnings", "levels")
    levels = warnings.tables("levels", "level", "days", "fraction")
    for level in levels:
        level.take("level", int)
        level.take("days", int)
        level.take("fraction", float)
    if providers or levels:
        log.warning("quotas are not looked up by this version: every quota is missing and every warning is OK")


def _dumps(table: Table) -> DumpsConfig:
    volumes: dict[str, Volume] = {}
    for i, value in enumerate(table.take("volumes", list)):
        volume = _volume(table, f"volumes[{i}]", value)
        if volume.name in volumes:
            raise table.error(f"volumes[{i}]", f"{volume.name} is named twice")
        volumes[volume.name] = volume
    if not volumes:
        raise table.error("volumes", "names no volume")
    directory = table.existing("directory", None, os.path.isdir, "directory")
    base_directories = None
    if table.has("base_directories"):
        base_directories = table.existing("base_directories", None, os.path.isfile, "file")
    return DumpsConfig(
        directory=directory,
        volumes=tuple(volumes.values()),
        max_days_ago=table.number("max_days_ago", int, 10, 0),
        max_rejected_fraction=table.number("max_rejected_fraction", float, 0.01, 0),
        base_directories=base_directories,
    )


def _volume(table: Table, key: str, value: object) -> Volume:
    if isinstance(value, str):
        name, mount = value, f"/lustre/{value}"
    elif isinstance(value, dict):
        fields = Table(table.file, f"dumps.{key}", value, ("name", "path"))
        name, mount = fields.take("name", str), fields.absolute("path")
    else:
        raise table.error(key, "must be a name or a table of name and path")
    if not name or re.search(r"[/\0]", name):
        raise table.error(key, f"{name!r} is no name of a volume")
    return Volume(name, mount)


def _reports(table: Table) -> ReportsConfig:
    return ReportsConfig(
        directory=table.path("directory", "out"),
        deep_directories=table.strings("deep_directories", ("users", "projects")),
    )


def _database(table: Table, file: Path) -> str:
    url = table.take("url", str, "sqlite:///out/lurge.db")
    path = url.removeprefix("sqlite:///")
    if path == url or not path or "\0" in path:
        raise table.error("url", "must be sqlite:///PATH")
    return f"sqlite:///{file.parent / path}"


def _filetypes(table: Table) -> tuple[FileType, ...]:
    filetypes = []
    for name in table.names():
        suffixes = table.strings(name)
        if not name or not suffixes:
            raise table.error(name, "must have a name and suffixes")
        filetypes.append(FileType(name, suffixes))
    return tuple(filetypes) or BUILT_IN_FILETYPES


def _aliases(table: Table) -> PathAliases:
    aliases = [(key, table.take(key, str)) for key in table.names()]
    for alias in aliases:
        try:
            PathAliases.compile([alias])
        except (re.error, IndexError) as error:
            raise table.error(f'"{alias[0]}"', f"is no regular expression and replacement: {error}") from error
    return PathAliases.compile(aliases)


def _pseudo_groups(tables: list[Table]) -> tuple[PseudoGroup, ...]:
    groups: list[PseudoGroup] = []
    for table in tables:
        group = PseudoGroup(
            path=table.absolute("path"),
            gid=table.number("gid", int, None, -(2**63), 2**63 - 1),
            name=table.text("name"),
            pi=table.take("pi", str, "") or None,
        )
        for other in groups:
            if other.path == group.path:
                raise table.error("path", f"{group.path} is named twice")
            if other.gid == group.gid and (other.name, other.pi) != (group.name, group.pi):
                raise table.error("gid", f"{group.gid} has another name or PI above")
        groups.append(group)
    return tuple(groups)


def _identity(table: Table) -> IdentityConfig:
    provider = table.take("provider", str, "nss")
    files = table.table("files", "groups", "users")
    groups = users = None
    ldap_keys = ("url", "bind_dn", "group_base", "people_base", "pi_attribute")
    ldap = table.table("ldap", *ldap_keys)
    for key in ldap_keys:
        ldap.take(key, str, "")
    if provider == "files":
        groups = files.existing("groups", None, os.path.isfile, "file")
        users = files.existing("users", None, os.path.isfile, "file")
    elif provider == "nss":
        for key in ("groups", "users"):
            files.take(key, str, "")
    else:
        raise table.error("provider", "must be nss or files")
    return IdentityConfig(provider, groups, users)


def _mpi(table: Table) -> MpiConfig:
    return MpiConfig(
        block_records=table.number("block_records", int, 250, 1, 100_000),
        workers_per_volume=table.number("workers_per_volume", int, 6, 1),
    )


def _basedirs(table: Table) -> BasedirsConfig:
    prefixes = table.table("prefixes")
    found = []
    for path in prefixes.names():
        if not path.startswith("/"):
            raise prefixes.error(f'"{path}"', "must be an absolute path")
        found.append((path, prefixes.number(path, int, 0, 0)))
    return BasedirsConfig(table.number("depth", int, BasedirsConfig.depth, 0), tuple(found))
