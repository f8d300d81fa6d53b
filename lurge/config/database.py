"""[database]: the database of stored reports."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from lurge.config.elsewhere import PasswordVariable
from lurge.config.fields import ExistingFile, RelativePath, Whole, at_home
from lurge.config.secret import Password
from lurge.config.section import Section, problem
from lurge.config.url import without_password

SQLITE = "sqlite:///"
DRIVERS = {"mysql": "mysql+mysqldb", "postgresql": "postgresql+psycopg"}
FORBIDDEN_OPTIONS = ("local_infile", "ssl_mode", "init_command", "sslmode")
"""Options of the drivers that would override settings of this program."""


def database_url(url: str, info: ValidationInfo) -> str:
    """The URL with its driver. A path of SQLite becomes relative to the file. Raises ValueError."""
    path = url.removeprefix(SQLITE)
    if path != url and path and "\0" not in path:
        return f"{SQLITE}{info.context.file.parent / at_home(path)}" if info.context else url
    scheme, _, rest = without_password(url).partition("://")
    driver = DRIVERS.get(scheme, scheme)
    if driver not in DRIVERS.values() or not re.match(r"[^/]*/[^/?]+(\?|$)", rest):
        servers = " or ".join(f"{name}://USER@HOST/DATABASE" for name in DRIVERS.values())
        raise ValueError(f"must be {SQLITE}PATH or {servers}")
    for name in FORBIDDEN_OPTIONS:
        if re.search(rf"[?&]{name}=", unquote(url)):
            raise ValueError(f"must not set {name}: see database.tls and docs/security.md")
    return f"{driver}://{rest}"


class DatabaseConfig(Section):
    """The database that stores all reports."""

    url: Annotated[str, AfterValidator(database_url)] = Field(
        "sqlite:///out/lurge.db",
        validate_default=True,
        description="`sqlite:///PATH`, `mysql+mysqldb://USER@HOST/DATABASE` (MySQL or MariaDB; needs `lurge[mysql]`) or"
        " `postgresql+psycopg://USER@HOST/DATABASE`. It must not hold a password.",
        examples=["mysql+mysqldb://lurge@dbhost/hgi_lustre_usage"],
    )
    password: Annotated[Password, PasswordVariable("LURGE_DB_PASSWORD")] = None
    password_file: RelativePath | None = Field(
        None,
        description="A file that holds the password, used if `$LURGE_DB_PASSWORD` is not set.",
        examples=["db.txt"],
    )
    option_file: ExistingFile | None = Field(
        None, description="A MySQL option file, whose `[client]` group is read.", examples=["my.cnf"]
    )
    retry_seconds: Whole = Field(
        120,
        description="Maximum time to retry work, in seconds, if the server is unavailable or another connection has"
        " locked a SQLite database.",
    )
    tls: Literal["off", "prefer", "require", "verify"] = Field(
        "prefer",
        description="Encryption of a connection to a server (docs/security.md).",
        examples=["verify"],
        json_schema_extra={"x-default": "`prefer`; with a `ca_file`, `verify`"},
    )
    ca_file: ExistingFile | None = Field(
        None,
        description="CA certificates that verify the server's certificate. Only for `verify`.",
        examples=["ca.pem"],
        json_schema_extra={"x-default": "the system's"},
    )
    swap: Literal["transaction", "tagged"] = Field(
        "transaction",
        description="How a volume's rows are replaced: in one transaction, or in steps with a commit each, for servers"
        " that limit a transaction.",
    )

    @model_validator(mode="before")
    @classmethod
    def _verify_with_a_ca_file(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("ca_file") and "tls" not in values:
            return values | {"tls": "verify"}
        return values

    @model_validator(mode="after")
    def _check_ca_file(self) -> DatabaseConfig:
        if self.ca_file and self.tls != "verify":
            raise problem('is allowed only with tls = "verify"', "ca_file")
        return self
