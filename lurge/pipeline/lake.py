"""Loading inventories into the lake."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NoReturn

from lurge.config.fields import exact
from lurge.display import counted, display
from lurge.errors import LakeError, LurgeError
from lurge.model.inventory import DataFile, Inventory
from lurge.parallel.parts import run_parts
from lurge.parallel.threads import usable_cores
from lurge.pipeline.frame.job import open_job
from lurge.pipeline.frame.outcome import Outcome
from lurge.pipeline.frame.recipe import Recipe
from lurge.pipeline.frame.ticket import ticket_of
from lurge.source.inventory.convert import Rejects
from lurge.source.inventory.manifest import find_manifests, find_partitions, read_lists, read_manifest, read_partition
from lurge.source.inventory.places import Places
from lurge.source.inventory.rows import read_rows, with_bucket
from lurge.store.lake.catalog import Lake, told
from lurge.store.lake.commit import add_columns, check_same, commit_load
from lurge.store.lake.loads import Load, all_loads
from lurge.store.lake.locking import loading
from lurge.store.lake.write import NewColumnsError, Writer, Written, remove

if TYPE_CHECKING:
    from lurge.config import Config
    from lurge.config.lake import LakeConfig
    from lurge.parallel.comm import Comm

LOAD = Recipe("lake_load", ("find", "load"))

log = logging.getLogger(__name__)


class Kind(StrEnum):
    """The content of the places."""

    MANIFEST = "manifest"
    LIST = "list"
    HIVE = "hive"


@dataclass(frozen=True)
class Wanted:
    """The inventories to load.

    addresses: of manifests, of places with manifests in them, of plain lists, or of a folder of Hive's partitions.
    columns, time, name: of plain lists. force: load what was loaded before.
    """

    addresses: tuple[str, ...]
    kind: Kind = Kind.MANIFEST
    columns: tuple[str, ...] | None = None
    time: datetime | None = None
    name: str = "list"
    force: bool = False


@dataclass
class Loaded:
    """The outcome of one inventory. load: None if it failed, or was loaded before."""

    address: str
    identity: str = ""
    load: Load | None = None
    is_known: bool = False
    rejects: list[str] = field(default_factory=list)
    failed: LurgeError | None = None

    def as_json(self) -> dict[str, Any]:
        """The fields, for other programs."""
        return {
            "address": self.address,
            "identity": self.identity,
            "known": self.is_known,
            "load": self.load.as_json() if self.load else None,
            "rejects": self.rejects,
            "error": self.failed.message if self.failed else None,
        }


@dataclass
class LakeOutcome(Outcome):
    """The outcome of loading."""

    loads: list[Loaded] = field(default_factory=list)

    @property
    def exit_status(self) -> int:
        """0 if everything is there; 3 if a part is not; 1 if nothing is."""
        failed = [load for load in self.loads if load.failed]
        if failed and len(failed) == len(self.loads):
            return 1
        return 3 if failed else 0

    def as_json(self) -> dict[str, Any]:
        return {"loads": [load.as_json() for load in self.loads], "exit_status": self.exit_status}

    def lines(self) -> Iterator[str]:
        if not self.loads:
            yield "no inventory was found"
        for one in self.loads:
            name = display(one.identity or one.address)
            if one.failed:
                said = display(one.failed.message)
                yield said if one.address in one.failed.message else f"{name}: {said}"
                yield f"  -> {display(one.failed.advice)}"
            elif one.load is None:
                yield f"{name}: loaded before"
            else:
                load = one.load
                rejected = f", {counted(load.rejected, 'row')} rejected" if load.rejected else ""
                sums = f"{counted(load.rows, 'row')}, {counted(load.bytes, 'byte')}{rejected}"
                yield f"{name}: {sums}, {load.seconds:.1f} s"
                if load.new_columns:
                    yield f"  new columns: {display(', '.join(load.new_columns))}"
                yield from (f"  {display(reject)}" for reject in one.rejects)


def run_load(config: Config, wanted: Wanted, table: str, comm: Comm | None = None) -> LakeOutcome:
    """Load inventories, the oldest first, each whole or not at all. Raises LurgeError."""
    outcome = LakeOutcome()
    lake = Lake(config.lake, table)
    places = Places(config.lake.endpoint_of)
    with open_job(LOAD, ticket_of(config, LOAD, comm.size if comm else 1)) as job:
        with job.step("find") as facts:
            inventories = find(places, config.lake, wanted, outcome)
            facts["inventories"] = len(inventories)
            known: dict[str, Load] = {}
            if inventories:
                with loading(lake):
                    made = lake.made_table()
                known = {} if wanted.force else all_loads(lake, made)
        with job.step("load") as facts:
            for inventory in inventories:
                outcome.loads.append(load_one(lake, inventory, known, wanted.force, comm))
            facts["loads"] = [one.as_json() for one in outcome.loads if one.load or one.failed]
            if failed := [one.address for one in outcome.loads if one.failed]:
                facts["failed"] = failed
        job.outcome = outcome
    return outcome


def watch_places(config: Config, wanted: Wanted, table: str, seconds: float, comm: Comm | None = None) -> NoReturn:
    """Look for new inventories again and again, until a signal ends it. What fails is tried again.

    A ticket is made only if there is something to load.
    """
    lake = Lake(config.lake, table)
    while True:
        try:
            found = find(Places(config.lake.endpoint_of), config.lake, wanted, LakeOutcome())
            known = all_loads(lake, lake.table()) if lake.exists else {}
            if any(inventory.identity not in known for inventory in found):
                outcome = run_load(config, wanted, table, comm)
                outcome.loads = [one for one in outcome.loads if not one.is_known]
                for line in outcome.lines():
                    log.info("%s", line)
        except LurgeError as error:
            log.error("%s", error.message)
        time.sleep(seconds)


def find(places: Places, config: LakeConfig, wanted: Wanted, outcome: LakeOutcome) -> list[Inventory]:
    """The inventories that are wanted, the oldest first. What cannot be read is noted in the outcome."""
    addresses = wanted.addresses or tuple(source.prefix for source in config.sources)
    if not addresses:
        raise LakeError("there is no place to search", "Give a directory or an s3:// URL, or set [[lake.sources]].")
    found: dict[str, Inventory] = {}
    if wanted.kind is Kind.LIST:
        listed = read_lists(places, addresses, wanted.name, wanted.time, wanted.columns)
        try:
            return [with_bucket(places, listed)]
        except LurgeError as error:
            outcome.loads.append(Loaded(listed.address, failed=error))
            return []
    for address in addresses:
        before = len(outcome.loads)
        try:
            inventories = list(each_inventory(places, address, wanted, outcome))
            if not inventories and len(outcome.loads) == before:
                raise LakeError(f"{address}: no inventory is there", "Give a place with manifest.json files below it.")
        except LurgeError as error:
            # The inventories of other places do not wait for it.
            log.error("%s", error.message)
            outcome.loads.append(Loaded(address, failed=error))
            continue
        for inventory in inventories:
            found.setdefault(inventory.identity, inventory)
    return sorted(found.values(), key=lambda inventory: (inventory.time, inventory.identity))


def each_inventory(places: Places, address: str, wanted: Wanted, outcome: LakeOutcome) -> Iterator[Inventory]:
    """The inventories at an address. What cannot be read is noted in the outcome."""
    is_hive = wanted.kind is Kind.HIVE
    for entry in find_partitions(places, address) if is_hive else find_manifests(places, address):
        try:
            if is_hive:
                yield read_partition(places, entry.address, wanted.columns)
            else:
                yield read_manifest(places, entry.address)
        except LurgeError as error:
            log.error("%s", error.message)
            outcome.loads.append(Loaded(entry.address, failed=error))


def load_one(lake: Lake, inventory: Inventory, known: dict[str, Load], force: bool, comm: Comm | None) -> Loaded:
    """Load an inventory, unless it was loaded."""
    result = Loaded(inventory.address, inventory.identity)
    try:
        if earlier := known.get(inventory.identity):
            check_same(inventory, earlier)
            result.is_known = True
        else:
            with loading(lake):
                result.load = load_inventory(lake, inventory, force, result, comm)
            result.is_known = result.load is None
    except LurgeError as error:
        result.failed = error
        log.error("%s: %s", inventory.identity, error.message)
    except Exception as error:
        # The inventories behind it must not wait until somebody has corrected this one, or us.
        log.exception("%s", inventory.identity)
        result.failed = LakeError(f"{inventory.address}: {type(error).__name__}: {error}")
    return result


def load_inventory(lake: Lake, inventory: Inventory, force: bool, result: Loaded, comm: Comm | None) -> Load | None:
    """Write the rows of an inventory and commit them. Raises LurgeError, with the table as it was."""
    started = time.monotonic()
    io = lake.table().io
    new_columns: Sequence[str] = ()
    try:
        written, rejects = read_files(lake, inventory, comm)
    except NewColumnsError:
        # They are added when it is known that nothing else prevents the load.
        trial, rejects = read_files(lake, inventory, comm, is_trial=True)
        check_rejects(lake, inventory, trial, rejects)
        new_columns = sorted(trial.columns - {field.name for field in lake.table().schema().fields})
        add_columns(lake, new_columns)
        written, rejects = read_files(lake, inventory, comm)
    result.rejects = rejects.samples
    try:
        check_rejects(lake, inventory, written, rejects)
    except LakeError:
        remove(io, written.paths)
        raise
    load = Load(
        inventory.identity, inventory.source, inventory.time, inventory.address, inventory.format.value,
        inventory.content, **vars(written.totals), rejected=rejects.count, files=len(inventory.files),
        input_bytes=written.input_bytes, seconds=round(time.monotonic() - started, 3),
        columns=tuple(sorted(written.columns)), new_columns=tuple(new_columns), missing_columns=(),
        loaded=datetime.now(UTC),
    )  # fmt: skip
    # If committing fails, nobody knows whether it did: the files stay until `lurge lake clean` finds them unused.
    stored = commit_load(lake, inventory, load, written.paths, force)
    if stored is None:
        remove(io, written.paths)
    return stored


def check_rejects(lake: Lake, inventory: Inventory, read: Written, rejects: Rejects) -> None:
    """Raise LakeError if too many rows cannot be parsed."""
    total = read.totals.rows + rejects.count
    if rejects.count > exact(lake.config.max_rejected_fraction) * total:
        sample = f", for example {rejects.samples[0]}" if rejects.samples else ""
        raise LakeError(
            f"{inventory.address}: {rejects.count:,} of {total:,} rows cannot be parsed{sample}",
            "Correct the inventory, or raise lake.max_rejected_fraction if such rows can be left out.",
        )


def read_files(lake: Lake, inventory: Inventory, comm: Comm | None, is_trial: bool = False) -> tuple[Written, Rejects]:
    """Read every file of an inventory, on all ranks or threads. If one fails, its error is raised and nothing left.

    is_trial: write nothing. Raises LakeError, NewColumnsError.
    """
    threads = usable_cores()
    parts = parts_of(lake, inventory, comm.size - 1 if comm else threads, is_trial)
    written, rejects = Written(), Rejects()
    errors = []
    for _, result, error in run_parts(comm, parts, threads):
        if result:
            written.merge(result[0])
            rejects.merge(result[1])
        if error:
            errors.append(error)
    if errors:
        remove(lake.table().io, written.paths)
        raise errors[0]
    written.paths.sort()
    return written, rejects


@dataclass(frozen=True)
class Files:
    """A part of a load: some files of an inventory, read into files of their own.

    name: of these, and of no other. is_trial: write nothing.
    """

    lake: Lake
    inventory: Inventory
    files: tuple[DataFile, ...]
    name: str
    is_trial: bool

    def run(self, is_stopped: Callable[[], bool]) -> tuple[Written, Rejects]:
        """Read the files. Raises LakeError, after what was written is removed."""
        table = self.lake.table()
        writer = Writer(table, self.name, self.inventory, self.is_trial)
        places = Places(self.lake.config.endpoint_of)
        rejects = Rejects()
        try:
            for file in self.files:
                for batch in read_rows(places, self.inventory, file, rejects):
                    if is_stopped():
                        raise LakeError(f"{file.address}: not read to its end, because another file failed")
                    with told(table.location()):
                        writer.add(batch)
                writer.written.input_bytes += file.size or 0
            with told(table.location()):
                return writer.close(), rejects
        except BaseException:
            writer.abandon()
            raise


def parts_of(lake: Lake, inventory: Inventory, count: int, is_trial: bool) -> list[Files]:
    """Share the files of an inventory among some ranks: the largest first, each to the one with the least."""
    shares: list[list[DataFile]] = [[] for _ in range(max(1, min(count, len(inventory.files))))]
    sizes = [0] * len(shares)
    for file in sorted(inventory.files, key=lambda file: (-(file.size or 0), file.address)):
        least = sizes.index(min(sizes))
        shares[least].append(file)
        # Files of plain lists tell no size.
        sizes[least] += file.size or 1
    name = uuid.uuid4().hex
    return [
        Files(lake, inventory, tuple(files), f"{name}-{number:03}", is_trial) for number, files in enumerate(shares)
    ]
