"""Places of inventories: directories and S3 alike."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from lurge.config.lake import S3
from lurge.errors import LakeError
from lurge.model.inventory import DataFile

READ_BYTES = 1 << 20


class Entry(NamedTuple):
    """A file in a place. changed: when it was changed last."""

    address: str
    size: int
    changed: datetime


class Places:
    """Opens and lists addresses: paths, and s3:// URLs. endpoint_of: the endpoint of an address; None for AWS."""

    def __init__(self, endpoint_of: Callable[[str], str | None] = lambda address: None) -> None:
        self._endpoint_of = endpoint_of
        self._clients: dict[str | None, Any] = {}

    def _client(self, address: str) -> Any:
        endpoint = self._endpoint_of(address)
        if endpoint not in self._clients:
            try:
                import boto3
                from botocore.config import Config as ClientConfig
            except ImportError as error:
                raise LakeError(f"{address}: {error}", "Install lurge[s3].") from error
            retries = ClientConfig(retries={"max_attempts": 8, "mode": "standard"})
            self._clients[endpoint] = boto3.client("s3", endpoint_url=endpoint, config=retries)
        return self._clients[endpoint]

    def list(self, address: str) -> Iterator[Entry]:
        """Every file below an address, or the file itself. Raises LakeError."""
        if address.startswith(S3):
            yield from self._list_bucket(address)
            return
        path = Path(address)
        try:
            if path.is_file():
                yield entry_of(path)
                return
            for folder, folders, names in os.walk(path, onerror=raise_error):
                folders.sort()
                yield from (entry_of(Path(folder) / name) for name in sorted(names))
        except OSError as error:
            raise LakeError(f"{error.filename or address}: {error.strerror}") from error

    def _list_bucket(self, address: str) -> Iterator[Entry]:
        bucket, prefix = parts_of(address)
        with answers(address):
            pages = self._client(address).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            for page in pages:
                for item in page.get("Contents", ()):
                    key = item["Key"]
                    # A prefix is one of components: `reports` is not the beginning of `reports2/`.
                    if not prefix or prefix.endswith("/") or key[len(prefix) :][:1] in ("", "/"):
                        yield Entry(f"{S3}{bucket}/{key}", item["Size"], item["LastModified"])

    def exists(self, address: str) -> bool:
        """True if there is a file of that address. Raises LakeError if that cannot be known."""
        if not address.startswith(S3):
            try:
                return Path(address).is_file()
            except OSError:
                # A name that is too long.
                return False
        return any(entry.address == address for entry in self._list_bucket(address))

    def open(self, address: str) -> BinaryIO:
        """Open a file to read it once, from its beginning. Raises LakeError."""
        if not address.startswith(S3):
            try:
                return Path(address).open("rb", buffering=READ_BYTES)
            except OSError as error:
                raise LakeError(f"{address}: {error.strerror}") from error
        bucket, key = parts_of(address)
        with answers(address):
            return Body(address, self._client(address).get_object(Bucket=bucket, Key=key)["Body"])

    def read(self, address: str, most: int) -> bytes:
        """The content of a small file. Raises LakeError, also if it has more than `most` bytes."""
        with self.open(address) as file:
            try:
                content = file.read(most + 1)
            except OSError as error:
                raise LakeError(f"{address}: {error.strerror or error}") from error
        if len(content) > most:
            raise LakeError(f"{address}: more than {most:,} bytes")
        return content


class Body(io.RawIOBase, BinaryIO):
    """The content of an object, as a file."""

    def __init__(self, address: str, body: Any) -> None:
        self._address = address
        self._body = body

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        with answers(self._address):
            return bytes(self._body.read(None if size < 0 else size))

    def close(self) -> None:
        self._body.close()
        super().close()


class Checked(io.RawIOBase):
    """Counts and hashes what is read of a file, to compare it with what a manifest says. Closing it is without effect.

    A reader of CSV closes its file before the end of the file was compared.
    """

    def __init__(self, file: BinaryIO, expected: DataFile) -> None:
        self._file = file
        self._expected = expected
        self._hash = hashlib.md5(usedforsecurity=False)
        self.size = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.size += len(data)
        if self._expected.md5 is not None:
            self._hash.update(data)
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def finish(self) -> None:
        """Read what is left, and compare. Raises LakeError."""
        while self.read(READ_BYTES):
            pass
        expected = self._expected
        if expected.size is not None and self.size != expected.size:
            raise LakeError(f"{expected.address}: {self.size:,} bytes, and the manifest says {expected.size:,}")
        if expected.md5 is not None and self._hash.hexdigest() != expected.md5.lower():
            raise LakeError(f"{expected.address}: its MD5 is {self._hash.hexdigest()}, not {expected.md5}")


class answers:  # noqa: N801  used like a function
    """Turns what a server of S3 refuses into a LakeError that names the address."""

    def __init__(self, address: str) -> None:
        self._address = address

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> None:
        if error is None or isinstance(error, LakeError | GeneratorExit):
            return
        if type(error).__module__.split(".")[0] in ("botocore", "boto3", "urllib3") or isinstance(error, OSError):
            raise LakeError(
                f"{self._address}: {error}", "Check the address, the credentials and the endpoint."
            ) from error


def parts_of(address: str) -> tuple[str, str]:
    """Bucket and key of an s3:// URL."""
    bucket, _, key = address.removeprefix(S3).partition("/")
    return bucket, key


def entry_of(path: Path) -> Entry:
    """The entry of a file. Of one that cannot be looked at, opening says why."""
    try:
        status = path.stat()
    except OSError:
        return Entry(str(path), 0, datetime.fromtimestamp(0, UTC))
    return Entry(str(path), status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))


def raise_error(error: OSError) -> None:
    raise error
