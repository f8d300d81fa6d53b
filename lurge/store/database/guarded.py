"""Connections to a MySQL server that never send it a file of this machine, and use TLS if the server offers it.

MySQL loads rows quickly by LOAD DATA LOCAL: the client gives a file name, then the *server* asks the client for a file.
A malicious server can ask for any file, after any statement. So the functions of the client library that read files are
replaced. The new ones know only the rows that are being loaded, under a random name that is made for one statement.

mysqlclient does not expose these functions. They are reached through the memory of its connection object, in which the
connection of the client library follows Python's own header. This layout is not documented. If it is different, rows
are inserted and not sent as files (`Connection.guard` is None).
"""

from __future__ import annotations

import ctypes
import logging
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from MySQLdb import OperationalError, _mysql
from MySQLdb.connections import Connection as PlainConnection

OPTION_ERROR, TLS_ERROR, FILE_ERROR = 2000, 2026, 2068
"""Error numbers of MySQL: an unknown error; no TLS; a rejected file."""

REFUSED = b"the server asked for a file that was not offered"

Open = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_void_p), ctypes.c_char_p, ctypes.c_void_p)
Read = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint)
Close = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
Explain = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint)
"""Types of the callbacks that mysql_set_local_infile_handler of the C API takes."""

log = logging.getLogger(__name__)


class UnknownLayoutError(Exception):
    """The client library's connection is not at the expected place in mysqlclient's object."""


class Guard:
    """The files that one connection may send: only the rows that are being loaded."""

    def __init__(self, connection: _mysql.connection) -> None:
        """Replace the functions of the client library. Raises UnknownLayoutError."""
        pointer = ctypes.c_void_p(library_connection(connection))
        self._name = b""
        self._text: Iterator[bytes] = iter(())
        self._rest = memoryview(b"")
        self.error: BaseException | None = None
        # The library calls these while the connection lives, so the guard must live as long.
        self._functions = (Open(self._open), Read(self._read), Close(self._close), Explain(self._explain))
        LIBRARY.mysql_set_local_infile_handler(pointer, *self._functions, None)

    @contextmanager
    def offering(self, text: Iterable[bytes]) -> Iterator[str]:
        """Let the server read a text once, as a file. Yields the name of this file.

        If reading the text raises an exception, it is raised in place of the driver's.
        """
        self._name = f"lurge-{secrets.token_hex(16)}".encode()
        self._text, self._rest, self.error = iter(text), memoryview(b""), None
        try:
            yield self._name.decode()
        except Exception:
            if self.error:
                raise self.error from None
            raise
        finally:
            self._name = b""

    def _open(self, _: Any, name: bytes, __: Any) -> int:
        offered = bool(self._name) and name == self._name
        self._name = b""
        return 0 if offered else 1

    def _read(self, _: Any, room: int, size: int) -> int:
        try:
            if not self._rest:
                self._rest = memoryview(next(self._text, b""))
            part = bytes(self._rest[:size])
            self._rest = self._rest[size:]
        except BaseException as error:
            self.error = error
            return -1
        ctypes.memmove(room, part, len(part))
        return len(part)

    def _close(self, _: Any) -> None:
        self._text, self._rest = iter(()), memoryview(b"")

    def _explain(self, _: Any, room: int, size: int) -> int:
        ctypes.memmove(room, REFUSED[: size - 1] + b"\0", min(size, len(REFUSED) + 1))
        return FILE_ERROR


def find_library() -> Any:
    """Load the C API that mysqlclient is linked with; None if it cannot be loaded."""
    try:
        library = ctypes.CDLL(_mysql.__file__)
        library.mysql_thread_id.restype = ctypes.c_ulong
        library.mysql_thread_id.argtypes = [ctypes.c_void_p]
        library.mysql_get_ssl_cipher.restype = ctypes.c_char_p
        library.mysql_get_ssl_cipher.argtypes = [ctypes.c_void_p]
        library.mysql_set_local_infile_handler.argtypes = [ctypes.c_void_p, Open, Read, Close, Explain, ctypes.c_void_p]
    except (OSError, AttributeError):
        return None
    return library


LIBRARY = find_library()


def library_connection(connection: _mysql.connection) -> int:
    """Return the address of the client library's connection in mysqlclient's. Raises UnknownLayoutError."""
    address = id(connection) + object.__basicsize__
    if LIBRARY is None or LIBRARY.mysql_thread_id(address) != connection.thread_id():
        raise UnknownLayoutError
    return address


class Connection(PlainConnection):  # type: ignore[misc]  # mysqlclient has no types
    """A connection with a guard, which is installed before the first statement is sent."""

    guard: Guard | None = None

    def set_character_set(self, charset: str, collation: str = "") -> None:
        """Install the guard, require TLS, then set the character set as the base class does.

        The base class calls this after connecting, before it sends anything else.
        """
        if self.guard is None and self.sends_files:
            self.guard = Guard(self)
        if self.must_be_encrypted and not self.cipher():
            self.close()
            raise OperationalError(TLS_ERROR, "the server offers no TLS, but database.tls requires it")
        super().set_character_set(charset, collation)

    def cipher(self) -> str:
        """Return the cipher of the connection, empty if it is not encrypted."""
        try:
            # The library's answer can be trusted, the server's cannot.
            address = library_connection(self)
            return (LIBRARY.mysql_get_ssl_cipher(address) or b"").decode()
        except UnknownLayoutError:
            self.query("SHOW STATUS LIKE 'Ssl_cipher'")
            ((_, cipher),) = self.store_result().fetch_row(0)
            return cipher.decode() if isinstance(cipher, bytes) else str(cipher or "")

    def __init__(self, *arguments: Any, local_infile: int, must_be_encrypted: bool, **named: Any) -> None:
        """Connect. Raises UnknownLayoutError if files cannot be guarded, and the errors of the base class."""
        self.sends_files = bool(local_infile)
        self.must_be_encrypted = must_be_encrypted
        super().__init__(*arguments, local_infile=local_infile, **named)
        if self.sends_files and self.guard is None:
            self.close()
            raise UnknownLayoutError


class Connector:
    """The factory of the connections of one engine.

    tls: `off`; `prefer` (if the server offers it, any certificate); `require` (any certificate); `verify` (the server's
    own certificate, with a trusted signature). ca_file: the trusted certificates; None for those of the system.
    """

    def __init__(self, tls: str, ca_file: Path | None) -> None:
        self._tls = tls
        self._ca_file = ca_file
        self._guards = True

    def connect(self, *arguments: Any, **named: Any) -> Connection:
        """Connect, as MySQLdb.connect does. Raises MySQLdb.Error."""
        try:
            return self._connect(*arguments, **named)
        except TypeError as error:
            # The URL has an option that the driver does not have.
            raise OperationalError(OPTION_ERROR, str(error)) from error

    def _connect(self, *arguments: Any, **named: Any) -> Connection:
        if self._ca_file:
            named["ssl"] = {**named.get("ssl", {}), "ca": str(self._ca_file)}
        if self._tls == "off" or (self._tls == "prefer" and is_local(named)):
            return self._guarded(*arguments, ssl_mode="DISABLED", must_be_encrypted=False, **named)
        if self._tls == "prefer":
            try:
                return self._guarded(*arguments, ssl_mode="REQUIRED", must_be_encrypted=False, **named)
            except OperationalError as error:
                if error.args[0] != TLS_ERROR:
                    raise
            log.debug("the server offers no TLS")
            self._tls = "off"
            return self._connect(*arguments, **named)
        mode = "VERIFY_IDENTITY" if self._tls == "verify" else "REQUIRED"
        # Some client libraries connect without TLS despite REQUIRED.
        return self._guarded(*arguments, ssl_mode=mode, must_be_encrypted=True, **named)

    def _guarded(self, *arguments: Any, **named: Any) -> Connection:
        if self._guards:
            try:
                return Connection(*arguments, **named, local_infile=1)
            except UnknownLayoutError:
                log.warning(
                    "rows are inserted, not sent as files: this mysqlclient cannot be kept from sending other files"
                )
                self._guards = False
        return Connection(*arguments, **named, local_infile=0)


def is_local(named: dict[str, Any]) -> bool:
    """Return whether a connection surely stays on this machine. An option file may name another host."""
    if named.get("unix_socket") or named.get("host") == "localhost":
        return True
    return not named.get("host") and not named.get("read_default_file")
