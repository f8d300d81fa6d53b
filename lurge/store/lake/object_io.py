"""Files in S3 for pyiceberg, by whole objects and ranges: a table bucket allows no listing, which Arrow needs."""

from __future__ import annotations

import io
import tempfile
from typing import Any

import boto3
from botocore.exceptions import ClientError
from pyiceberg.io import FileIO, InputFile, OutputFile

SPOOLED_BYTES = 8 << 20
READ_BYTES = 1 << 20


class ObjectIO(FileIO):
    """Reads and writes objects. properties: `s3.endpoint`, if it is not that of AWS."""

    def __init__(self, properties: Any = None) -> None:
        super().__init__(properties or {})
        self._client = boto3.client("s3", endpoint_url=self.properties.get("s3.endpoint"))

    def new_input(self, location: str) -> InputFile:
        return ObjectFile(location, self._client)

    def new_output(self, location: str) -> OutputFile:
        return ObjectFile(location, self._client)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        file = ObjectFile(location if isinstance(location, str) else location.location, self._client)
        self._client.delete_object(Bucket=file.bucket, Key=file.key)


class ObjectFile(InputFile, OutputFile):
    """An object."""

    def __init__(self, location: str, client: Any) -> None:
        super().__init__(location)
        self.client = client
        self.bucket, _, self.key = location.removeprefix("s3://").partition("/")

    def __len__(self) -> int:
        return int(self.client.head_object(Bucket=self.bucket, Key=self.key)["ContentLength"])

    def exists(self) -> bool:
        try:
            len(self)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return False
            raise
        return True

    def open(self, seekable: bool = True) -> Any:
        return io.BufferedReader(Ranges(self), READ_BYTES)

    def to_input_file(self) -> InputFile:
        return self

    def create(self, overwrite: bool = False) -> Any:
        return Upload(self)


class Ranges(io.RawIOBase):
    """The content of an object, by ranges."""

    def __init__(self, file: ObjectFile) -> None:
        self._file = file
        self._size = len(file)
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._place = max(0, offset + (0, self._place, self._size)[whence])
        return self._place

    def readinto(self, buffer: Any) -> int:
        end = min(self._place + len(buffer), self._size)
        if end <= self._place:
            return 0
        wanted = f"bytes={self._place}-{end - 1}"
        answer = self._file.client.get_object(Bucket=self._file.bucket, Key=self._file.key, Range=wanted)
        data = answer["Body"].read()
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)


class Upload:
    """Collects what is written, and sends it when it is closed; nothing if an error ends the block."""

    def __init__(self, file: ObjectFile) -> None:
        self._file = file
        self._data = tempfile.SpooledTemporaryFile(SPOOLED_BYTES)  # noqa: SIM115  closed with the upload
        self._is_open = True

    def write(self, data: bytes) -> int:
        return self._data.write(data)

    def tell(self) -> int:
        return self._data.tell()

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._data.seek(0)
            self._file.client.upload_fileobj(self._data, self._file.bucket, self._file.key)
            self._data.close()

    def __enter__(self) -> Upload:
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self._is_open = False
            self._data.close()
