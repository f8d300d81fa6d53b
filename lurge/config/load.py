"""Reading lurge.toml. Every key, with its meaning: docs/configuration.md."""

from __future__ import annotations

import os
import re
import tomllib
from fractions import Fraction
from pathlib import Path
from urllib.parse import unquote

from lurge.config.settings import (
    BUILT_IN_FILETYPES,
    BUILT_IN_LEVELS,
    BasedirsConfig,
    BatchConfig,
    Config,
    DatabaseConfig,
    DumpsConfig,
    IdentityConfig,
    LdapConfig,
    MpiConfig,
    QuotaConfig,
    ReportsConfig,
    S3Config,
    Secret,
    SplitConfig,
    TicketsConfig,
    WarningLevel,
)
from lurge.config.table import Table
from lurge.errors import ConfigError
from lurge.model.dump import Volume
from lurge.model.paths import PathAliases
from lurge.model.rules import FileType, PseudoGroup

DEFAULT_FILE = "lurge.toml"
FILE_VARIABLE = "LURGE_CONFIG"
DATABASE_PASSWORD = "LURGE_DB_PASSWORD"  # noqa: S105 - the name of a variable
LDAP_PASSWORD = "LURGE_LDAP_PASSWORD"  # noqa: S105
TICKETS_VARIABLE = "JOB_DATA_BASEDIR"

KEYS = {
    "dumps": ("directory", "volumes", "max_days_ago", "max_rejected_fraction", "base_directories"),
    "reports": ("directory", "deep_directories"),
    "database": ("url", "password_file", "option_file", "retry_seconds", "tls", "ca_file", "swap"),
    "filetypes": (),
    "path_aliases": (),
    "identity": ("provider", "files", "ldap", "on_failure", "cache"),
    "quota": ("providers", "csv_directory", "timeout", "at_once"),
    "warnings": ("levels",),
    "mpi": ("block_records", "workers_per_volume"),
    "basedirs": ("depth", "prefixes"),
    "tickets": ("directory", "jobs", "stale_seconds"),
    "split": ("directory", "s3"),
    "batch": ("queue", "group", "ranks", "memory_mb", "logs"),
}
"""The tables of the file with their keys; none where any will do."""

QUOTA_PROVIDERS = ("lfs", "csv")
FORBIDDEN_OPTIONS = (
    "local_infile", "ssl_mode", "init_command", "sslmode", "sslrootcert", "sslpassword", "gssencmode", "options",
)  # fmt: skip
"""Of the driver, that would take the place of what this program decides."""

SWAPS = ("transaction", "tagged")
TLS_MODES = ("off", "prefer", "require", "verify")


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
    top = Table(file, "", values, (*KEYS, "pseudo_groups"))
    tables = {name: top.table(name, *keys) for name, keys in KEYS.items()}
    reports = _reports(tables["reports"])
    return Config(
        file=file,
        dumps=_dumps(tables["dumps"]),
        reports=reports,
        database=_database(tables["database"]),
        filetypes=_filetypes(tables["filetypes"]),
        path_aliases=_aliases(tables["path_aliases"]),
        pseudo_groups=_pseudo_groups(top.tables("pseudo_groups", "path", "gid", "name", "pi")),
        identity=_identity(tables["identity"], reports),
        quota=_quota(tables["quota"]) if top.has("quota") else QuotaConfig(),
        levels=_levels(tables["warnings"]),
        mpi=_mpi(tables["mpi"]),
        basedirs=_basedirs(tables["basedirs"]),
        tickets=_tickets(tables["tickets"], reports),
        split=_split(tables["split"], reports),
        batch=_batch(tables["batch"], reports),
    )


def _secret(table: Table, variable: str) -> Secret | None:
    """A password from the environment, else from the file that `password_file` names."""
    if variable in os.environ:
        return Secret(os.environ[variable])
    if not table.has("password_file"):
        return None
    file = table.existing("password_file", None, os.path.isfile, "file")
    try:
        return Secret(file.read_text(encoding="utf-8").strip("\n"))
    except (OSError, UnicodeDecodeError) as error:
        raise table.error("password_file", getattr(error, "strerror", None) or "is not text") from error


def _without_password(table: Table, key: str, url: str) -> str:
    """`url`, in which no password may stand, whatever signs are in it. Raises ConfigError, which does not show it."""
    rest = unquote(url).partition("://")[2] or unquote(url)
    in_options = any(re.match(r"(?i)(passwd|password|pwd)\s*=", word) for word in re.split(r"[?&;#]", rest)[1:])
    # A user's name may hold an @, a password anything: what stands before the last @ is both, unless the URL is plain.
    user, at, _ = rest.rpartition("@")
    plain = re.search(r"://([^:@/?#]*)@[^:@/?#]*(:[0-9]+)?(/[^:@/?#]*)?(\?|\Z)", url)
    suspect = ":" in unquote(plain[1]) if plain else bool(at and ":" in user)
    if in_options or suspect or "#" in url:
        raise table.error(key, "must hold no password: it comes from the environment or a file")
    if re.match(r"[^/]*//[^/]*@[^/]*@", url):
        raise table.error(key, "must have %40 for an @ in the user's name")
    return url


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
    return Volume(table.check_name(key, name), mount)


def _reports(table: Table) -> ReportsConfig:
    return ReportsConfig(
        directory=table.path("directory", "out"),
        deep_directories=table.strings("deep_directories", ("users", "projects")),
    )


def _database(table: Table) -> DatabaseConfig:
    url = table.take("url", str, "sqlite:///out/lurge.db")
    path = url.removeprefix("sqlite:///")
    if path != url and path and "\0" not in path:
        url = f"sqlite:///{table.file.parent / path}"
    elif re.match(r"mysql(\+mysqldb)?://[^/]*/[^/?]+(\?|$)", _without_password(table, "url", url)):
        url = re.sub(r"^mysql://", "mysql+mysqldb://", url)
    elif re.match(r"postgresql(\+psycopg)?://[^/]*/[^/?]+(\?|$)", url):
        url = re.sub(r"^postgresql://", "postgresql+psycopg://", url)
    else:
        raise table.error(
            "url",
            "must be sqlite:///PATH, mysql+mysqldb://USER@HOST/DATABASE or postgresql+psycopg://USER@HOST/DATABASE",
        )
    for name in FORBIDDEN_OPTIONS:
        if re.search(rf"[?&]{name}=", unquote(url)):
            raise table.error("url", f"must not set {name}: see database.tls and docs/security.md")
    option_file = None
    if table.has("option_file"):
        option_file = table.existing("option_file", None, os.path.isfile, "file")
    ca_file = table.existing("ca_file", None, os.path.isfile, "file") if table.has("ca_file") else None
    tls = table.take("tls", str, "verify" if ca_file else DatabaseConfig.tls)
    if tls not in TLS_MODES:
        raise table.error("tls", f"must be one of {', '.join(TLS_MODES)}")
    if ca_file and tls != "verify":
        raise table.error("ca_file", 'has a meaning only with tls = "verify"')
    swap = table.take("swap", str, DatabaseConfig.swap)
    if swap not in SWAPS:
        raise table.error("swap", f"must be one of {', '.join(SWAPS)}")
    return DatabaseConfig(
        url=url,
        password=_secret(table, DATABASE_PASSWORD),
        option_file=option_file,
        retry_seconds=table.number("retry_seconds", int, DatabaseConfig.retry_seconds, 0),
        tls=tls,
        ca_file=ca_file,
        swap=swap,
    )


def _filetypes(table: Table) -> tuple[FileType, ...]:
    filetypes = []
    for name in table.names():
        suffixes = table.strings(name)
        if not name or not suffixes:
            raise table.error(name, "must have a name and suffixes")
        table.check_name(name, name)
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
            name=table.name("name"),
            pi=table.check_name("pi", table.take("pi", str, "")) or None,
        )
        for other in groups:
            if other.path == group.path:
                raise table.error("path", f"{group.path} is named twice")
            if other.gid == group.gid and (other.name, other.pi) != (group.name, group.pi):
                raise table.error("gid", f"{group.gid} has another name or PI above")
        groups.append(group)
    return tuple(groups)


def _identity(table: Table, reports: ReportsConfig) -> IdentityConfig:
    provider = table.take("provider", str, "nss")
    files = table.table("files", "groups", "users")
    ldap = table.table(
        "ldap", "url", "bind_dn", "password_file", "group_base", "people_base", "pi_attribute", "start_tls", "ca_file",
        "timeout", "page_size",
    )  # fmt: skip
    groups = users = None
    if provider == "files":
        groups = files.existing("groups", None, os.path.isfile, "file")
        users = files.existing("users", None, os.path.isfile, "file")
    elif provider not in ("nss", "ldap"):
        raise table.error("provider", "must be nss, files or ldap")
    for key in ("groups", "users"):
        files.take(key, str, "")
    on_failure = table.take("on_failure", str, "last_known")
    if on_failure not in ("last_known", "fail"):
        raise table.error("on_failure", "must be last_known or fail")
    return IdentityConfig(
        provider=provider,
        groups=groups,
        users=users,
        ldap=_ldap(ldap) if provider == "ldap" or ldap.names() else None,
        on_failure=on_failure,
        cache=table.path("cache") if table.has("cache") else reports.directory / "last-names.json",
    )


def _ldap(table: Table) -> LdapConfig:
    url = _without_password(table, "url", table.text("url"))
    if not re.match(r"ldaps?://", url):
        raise table.error("url", "must begin with ldap:// or ldaps://")
    ca_file = table.existing("ca_file", None, os.path.isfile, "file") if table.has("ca_file") else None
    return LdapConfig(
        url=url,
        group_base=table.text("group_base"),
        people_base=table.text("people_base"),
        bind_dn=table.take("bind_dn", str, ""),
        password=_secret(table, LDAP_PASSWORD),
        pi_attribute=table.take("pi_attribute", str, LdapConfig.pi_attribute),
        start_tls=table.take("start_tls", bool, LdapConfig.start_tls),
        ca_file=ca_file,
        timeout=table.number("timeout", int, LdapConfig.timeout, 1),
        page_size=table.number("page_size", int, LdapConfig.page_size, 1),
    )


def _quota(table: Table) -> QuotaConfig:
    providers = table.strings("providers", QUOTA_PROVIDERS)
    for provider in providers:
        if provider not in QUOTA_PROVIDERS:
            raise table.error("providers", f"{provider!r} is none of {', '.join(QUOTA_PROVIDERS)}")
    directory = table.path("csv_directory", "quotas")
    if "csv" in providers and table.has("csv_directory"):
        table.existing("csv_directory", None, os.path.isdir, "directory")
    return QuotaConfig(
        providers=providers,
        csv_directory=directory,
        timeout=table.number("timeout", int, QuotaConfig.timeout, 1),
        at_once=table.number("at_once", int, QuotaConfig.at_once, 1, 256),
    )


def _levels(table: Table) -> tuple[WarningLevel, ...]:
    levels = []
    for one in table.tables("levels", "level", "days", "fraction"):
        fraction = one.number("fraction", float, None, 0)
        level, days = one.number("level", int, None, 2, 3), one.number("days", int, None, 0, 3650)
        levels.append(WarningLevel(level, days, Fraction(str(fraction))))
    return tuple(levels) or BUILT_IN_LEVELS


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


def _tickets(table: Table, reports: ReportsConfig) -> TicketsConfig:
    given = os.environ.get(TICKETS_VARIABLE)
    return TicketsConfig(
        directory=Path(given) if given else table.path("directory", str(reports.directory / "tickets")),
        jobs=table.existing("jobs", None, os.path.isfile, "file") if table.has("jobs") else None,
        stale_seconds=table.number("stale_seconds", int, 3600, 1),
    )


def _split(table: Table, reports: ReportsConfig) -> SplitConfig:
    s3 = table.table("s3", "bucket", "prefix", "endpoint_url")
    upload = None
    if s3.names():
        endpoint = _without_password(s3, "endpoint_url", s3.text("endpoint_url")) if s3.has("endpoint_url") else None
        upload = S3Config(s3.text("bucket"), s3.take("prefix", str, "").strip("/"), endpoint)
    return SplitConfig(table.path("directory", str(reports.directory / "groups")), upload)


def _batch(table: Table, reports: ReportsConfig) -> BatchConfig:
    return BatchConfig(
        queue=table.take("queue", str, ""),
        group=table.take("group", str, ""),
        ranks=table.number("ranks", int, 0, 0, 100_000),
        memory_mb=table.number("memory_mb", int, 1000, 1),
        logs=table.path("logs", str(reports.directory / "logs")),
    )
