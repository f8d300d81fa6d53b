"""Manifests of inventories, plain lists, and the partitions of Hive: what is to be loaded.

PREFIX/bucket/config/YYYY-MM-DDTHH-MMZ/manifest.json   with manifest.checksum, its MD5
PREFIX/bucket/config/data/*.csv.gz | *.orc | *.parquet
PREFIX/bucket/config/hive/dt=YYYY-MM-DD-HH-MM/symlink.txt
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lurge.config.lake import S3
from lurge.errors import LakeError
from lurge.model.inventory import DataFile, Inventory, column_of
from lurge.model.lake import Format
from lurge.source.inventory.places import Entry, Places, parts_of

MANIFEST, CHECKSUM, SYMLINK = "manifest.json", "manifest.checksum", "symlink.txt"
VERSION = "2016-11-30"
MOST_BYTES = 256 << 20
"""A manifest names each file in about 200 bytes."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FOLDER_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}-\d{2}Z", re.ASCII)
PARTITION = re.compile(r"dt=(\d{4}-\d{2}-\d{2}-\d{2}-\d{2})", re.ASCII)
MD5 = re.compile(r"[0-9a-fA-F]{32}", re.ASCII)


def find_manifests(places: Places, address: str) -> Iterator[Entry]:
    """Every manifest below an address, or the manifest itself. Raises LakeError."""
    for entry in places.list(address):
        if posixpath.basename(entry.address) == MANIFEST:
            yield entry


def read_manifest(places: Places, address: str) -> Inventory:
    """Read a manifest whose checksum is right. Raises LakeError."""
    text = places.read(address, MOST_BYTES)
    digest = hashlib.md5(text, usedforsecurity=False).hexdigest()
    told = f"{posixpath.dirname(address)}/{CHECKSUM}"
    if not places.exists(told):
        raise LakeError(f"{told}: it is not there", "The inventory is not complete yet, or it was not copied whole.")
    expected = places.read(told, 1024).decode("utf-8", "replace").split()
    if not expected or expected[0].lower() != digest:
        raise LakeError(
            f"{address}: its MD5 is {digest}, and {CHECKSUM} says {expected[0][:64] if expected else 'nothing'}"
        )
    try:
        return parse_manifest(places, address, text, digest)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise LakeError(f"{address}: not a manifest: {reason[:300]}") from error


def parse_manifest(places: Places, address: str, text: bytes, digest: str) -> Inventory:
    """The inventory of a manifest. Raises LakeError, ValueError, KeyError or TypeError."""
    manifest = json.loads(text)
    if not isinstance(manifest, dict):
        raise TypeError("not an object")
    if manifest["version"] != VERSION:
        raise ValueError(f"its version is {str(manifest['version'])[:40]!r}, not {VERSION!r}")
    bucket = name_of(manifest["sourceBucket"], "sourceBucket")
    file_format = format_of(str(manifest["fileFormat"]))
    milliseconds = int(manifest["creationTimestamp"])
    if not 0 <= milliseconds < 10**14:
        raise ValueError(f"creationTimestamp {milliseconds} is not a time")
    schema = str(manifest["fileSchema"])
    columns = tuple(column_of(name) for name in schema.split(",")) if file_format is Format.CSV else ()
    check_columns(columns, "fileSchema")
    listed = manifest["files"]
    if not isinstance(listed, list):
        raise TypeError("files is not a list")
    keys = [name_of(file["key"], "key") for file in listed]
    if len(set(keys)) != len(keys):
        raise ValueError("files names a file twice")
    files = tuple(
        DataFile(
            address_of(places, address, config_folder(address), key),
            natural(file["size"], "size"),
            md5_of(file["MD5checksum"]),
        )
        for key, file in zip(keys, listed, strict=True)
    )
    source = f"{bucket}/{config_of(address, keys)}"
    time = EPOCH + timedelta(milliseconds=milliseconds)
    return Inventory(address, source, time, file_format, columns, files, digest)


def name_of(value: Any, what: str) -> str:
    """A name of a bucket, or a key that stays below the place of the inventory. Raises ValueError."""
    if not isinstance(value, str) or not is_text(value) or value.startswith("/") or ".." in value.split("/"):
        raise ValueError(f"{what} {str(value)[:100]!r} is not a name")
    return value


def is_text(text: str) -> bool:
    """True for a text that is not empty, and that a table and a file system can hold."""
    try:
        return bool(text.encode()) and "\0" not in text
    except UnicodeEncodeError:
        return False


def natural(value: Any, what: str) -> int:
    """A whole number. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).isdecimal():
        raise ValueError(f"{what} {str(value)[:100]!r} is not a whole number")
    return int(value)


def md5_of(value: Any) -> str:
    """An MD5 in hexadecimal. Raises ValueError."""
    if not isinstance(value, str) or not MD5.fullmatch(value):
        raise ValueError(f"MD5checksum {str(value)[:100]!r} is not an MD5 in hexadecimal")
    return value.lower()


def format_of(name: str) -> Format:
    """A format by its name in any case. Raises ValueError."""
    for one in Format:
        if one.lower() == name.strip().lower():
            return one
    raise ValueError(f"the format {name[:40]!r} is not one of {', '.join(Format)}")


def check_columns(columns: Sequence[str], what: str) -> None:
    """Raise ValueError if a name is no text, or occurs twice, or if there are no keys."""
    if any(not is_text(name) for name in columns):
        raise ValueError(f"{what} has a name that is empty or no text")
    if columns and "key" not in columns:
        raise ValueError(f"{what} has no Key")
    if twice := {name for name in columns if columns.count(name) > 1}:
        raise ValueError(f"{what} names {', '.join(sorted(twice))} twice")


def config_of(address: str, keys: Sequence[str]) -> str:
    """The configuration of an inventory: of `.../bucket/config/data/file`, or `.../config/TIME/manifest.json`."""
    parts = keys[0].split("/") if keys else []
    if len(parts) >= 3 and parts[-2] == "data":
        return parts[-3]
    folders = address.split("/")[:-1]
    if folders and FOLDER_TIME.fullmatch(folders[-1]):
        folders = folders[:-1]
    return folders[-1] if folders and folders[-1] else "inventory"


def config_folder(manifest: str) -> str:
    """The folder of the configuration that a manifest belongs to: above the folder of its time, if it is in one."""
    folder = posixpath.dirname(manifest)
    return posixpath.dirname(folder) if FOLDER_TIME.fullmatch(posixpath.basename(folder)) else folder


def address_of(places: Places, named_by: str, config: str, key: str) -> str:
    """The address of a data file. config: that of the folder of the inventory's configuration. Raises LakeError.

    named_by: the file that names it.

    In S3, keys are those of the bucket. A copy in directories has the file at the same place of the copied tree, or at
    least the directory `data` beside the manifests: no other place is looked at.
    """
    if config.startswith(S3):
        return f"{S3}{parts_of(config)[0]}/{key}"
    parts = key.split("/")
    above = posixpath.normpath(posixpath.join(Path.cwd(), config)).split("/")
    candidates = [posixpath.join(config, "data", parts[-1])]
    if len(parts) > 2 and above[-len(parts) + 2 :] == parts[:-2]:
        candidates.insert(0, posixpath.join("/".join(above[: -len(parts) + 2]), key))
    for candidate in candidates:
        if places.exists(candidate):
            return candidate
    raise LakeError(f"{named_by}: the file {key} is not there", "Copy the directory `data` of the inventory, too.")


def find_partitions(places: Places, address: str) -> Iterator[Entry]:
    """Every `symlink.txt` of a partition of Hive below an address. Raises LakeError."""
    for entry in places.list(address):
        folder, name = posixpath.split(entry.address)
        if name == SYMLINK and PARTITION.fullmatch(posixpath.basename(folder)):
            yield entry


def read_partition(places: Places, address: str, columns: Sequence[str] | None) -> Inventory:
    """The inventory of a partition's `symlink.txt`. If a manifest of the same time is there, it says more.

    columns: those of CSV files without a manifest; None for those of a plain list. Raises LakeError.
    """
    folder = posixpath.dirname(address)
    partition = posixpath.basename(folder).removeprefix("dt=")
    try:
        time = datetime.strptime(partition, "%Y-%m-%d-%H-%M").replace(tzinfo=UTC)
    except ValueError:
        raise LakeError(f"{address}: {partition} is not a time") from None
    config = posixpath.dirname(posixpath.dirname(folder))
    manifest = f"{config}/{time:%Y-%m-%dT%H-%MZ}/{MANIFEST}"
    if places.exists(manifest):
        return read_manifest(places, manifest)
    text = places.read(address, MOST_BYTES)
    named = [line.strip() for line in text.decode("utf-8", "replace").splitlines() if line.strip()]
    files = [linked(places, address, url) for url in named]
    bucket, own = config.split("/")[-2:] if config.count("/") else ("", config)
    return replace(list_of(address, files, f"{bucket}/{own}", time, columns, hashlib.md5(text, usedforsecurity=False)),
                   content="")  # fmt: skip


def linked(places: Places, symlink: str, url: str) -> str:
    """The address of a file that a symlink.txt names. Raises LakeError."""
    if not url.startswith(S3):
        raise LakeError(f"{symlink}: {url[:200]!r} is not an s3:// URL")
    key = parts_of(url)[1]
    try:
        name_of(key, "key")
    except ValueError as error:
        raise LakeError(f"{symlink}: {error}") from None
    return (
        url
        if symlink.startswith(S3)
        else address_of(places, symlink, posixpath.dirname(symlink).rpartition("/hive/")[0], key)
    )


def list_of(
    address: str, files: Sequence[str], source: str, time: datetime, columns: Sequence[str] | None, content: Any
) -> Inventory:
    """The inventory of plain files, whose format is that of their names. content: a hash. Raises LakeError."""
    formats = {format_by_name(file) for file in files}
    if len(formats) > 1:
        raise LakeError(f"{address}: files of several formats: {', '.join(sorted(formats))}")
    file_format = formats.pop() if formats else Format.CSV
    named = tuple(map(column_of, columns)) if columns and file_format is Format.CSV else ()
    try:
        check_columns(named, "--columns")
    except ValueError as error:
        raise LakeError(str(error)) from None
    return Inventory(address, source, time, file_format, named, tuple(map(DataFile, files)), content.hexdigest())


def format_by_name(address: str) -> Format:
    """The format that the name of a file tells; CSV if it tells none."""
    name = address.lower()
    return next((one for one in (Format.ORC, Format.PARQUET) if name.endswith(f".{one.lower()}")), Format.CSV)


def read_lists(
    places: Places, addresses: Iterable[str], source: str, time: datetime | None, columns: Sequence[str] | None
) -> Inventory:
    """The inventory of plain lists. It is known by their content.

    source: the name of the list, without its bucket. time: None for that of the newest file. Raises LakeError.
    """
    entries = sorted(entry for address in addresses for entry in places.list(address))
    if not entries:
        raise LakeError("there is no list to load", "Give a file, or a directory or prefix with files in it.")
    digest = hashlib.md5(usedforsecurity=False)
    for entry in entries:
        with places.open(entry.address) as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    newest = time or max(entry.changed for entry in entries)
    files = [entry.address for entry in entries]
    return replace(list_of(entries[0].address, files, source, newest, columns, digest), is_list=True)
