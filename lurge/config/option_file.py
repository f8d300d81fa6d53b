"""A database that a section of a MySQL option file names, as the older tool's `-d section:file` did."""

from __future__ import annotations

import configparser
from pathlib import Path

import sqlalchemy as sa

from lurge.config.database import DatabaseConfig
from lurge.config.fields import at_home
from lurge.config.secret import Secret
from lurge.errors import UsageError


def database_in(text: str, other: DatabaseConfig) -> DatabaseConfig:
    """The database of `SECTION:FILE`; everything but its address and password is that of `other`. Raises UsageError."""
    section, _, name = text.partition(":")
    if not section or not name:
        raise UsageError(f"-d {text}: expected SECTION:FILE")
    parser = configparser.RawConfigParser(allow_no_value=True, strict=False)
    try:
        with Path(at_home(name)).open(encoding="utf-8") as file:
            parser.read_file(file)
        values = dict(parser[section])
    except OSError as error:
        raise UsageError(f"-d {text}: {error.strerror}") from error
    except (UnicodeDecodeError, configparser.Error):
        # The error would quote lines of the file, which may hold a password.
        raise UsageError(f"-d {text}: the file is not an option file") from None
    except KeyError:
        raise UsageError(f"-d {text}: the file has no section [{section}]") from None
    values = {name: (value or "").strip("\"'") for name, value in values.items()}
    database = values.get("database") or values.get("db")
    if not database:
        raise UsageError(f"-d {text}: the section names no database")
    port = values.get("port")
    url = sa.URL.create(
        "mysql+mysqldb",
        username=values.get("user") or None,
        host=values.get("host") or values.get("server") or "localhost",
        port=int(port) if port and port.isdigit() else None,
        database=database,
        query={"unix_socket": socket} if (socket := values.get("socket")) else {},
    )
    password = values.get("password") or values.get("passwd")
    return other.model_copy(
        update={"url": url.render_as_string(hide_password=False), "password": Secret(password) if password else None}
    )
