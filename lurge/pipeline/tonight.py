"""Tonight's dumps: the newest dump of each volume, if it is new enough.

Every job that reads, plans or checks them asks here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, date, datetime
from functools import partial

from lurge.config import Config
from lurge.errors import DumpNotFound
from lurge.model.dump import Dump, Volume
from lurge.parallel.messages import VolumeTask
from lurge.pipeline.bucket_dumps import dumps_of
from lurge.pipeline.volumes import VolumeOutcome
from lurge.pipeline.work import attempt
from lurge.source.finding import is_new_enough, newest_dump, too_old, usable_dumps

SHOWN = 5

MakeTask = Callable[[int, Dump], VolumeTask | VolumeOutcome]


def today() -> date:
    """The date by which dumps are old or new, in UTC as their names are."""
    return datetime.now(UTC).date()


def tonights_dump(config: Config, volume: Volume) -> Dump:
    """The dump of a volume that is read tonight. Raises VolumeError, DumpNotFound if none is new enough."""
    if not volume.inventory:
        return newest_dump(config.dumps.directory, volume, today(), config.dumps.max_days_ago)
    newest = dumps_of(config, volume)[0]
    if not is_new_enough(newest, today(), config.dumps.max_days_ago):
        raise too_old(newest, today(), config.dumps.max_days_ago)
    return newest


def tonights_tasks(
    config: Config, make_task: MakeTask, names: Collection[str] = ()
) -> tuple[dict[int, VolumeTask], dict[int, VolumeOutcome]]:
    """The tasks of tonight, and the outcomes of volumes that are not read, by their places in the configuration.

    make_task: makes the task of a dump, or the outcome of its volume if it need not be read; gets the volume's place,
    too. names: of the volumes that are asked for; empty for all.
    """
    return tasks_of(config, partial(tonights_dump, config), make_task, names)


def tasks_of(
    config: Config, find: Callable[[Volume], Dump], make_task: MakeTask, names: Collection[str] = ()
) -> tuple[dict[int, VolumeTask], dict[int, VolumeOutcome]]:
    """The same for dumps of another night. find: the dump of a volume; may raise VolumeError."""
    tasks: dict[int, VolumeTask] = {}
    outcomes: dict[int, VolumeOutcome] = {}
    for number, volume in enumerate(config.dumps.volumes):
        if names and volume.name not in names:
            continue
        result = attempt(volume, partial(found_task, find, make_task, number, volume))
        if isinstance(result, VolumeTask):
            tasks[number] = result
        else:
            outcomes[number] = result
    return tasks, outcomes


def found_task(
    find: Callable[[Volume], Dump], make_task: MakeTask, number: int, volume: Volume
) -> VolumeTask | VolumeOutcome:
    """The task of the dump of one volume, or its outcome if it need not be read. Raises VolumeError."""
    return make_task(number, find(volume))


def other_dumps(config: Config, volume: Volume) -> list[Dump]:
    """Every dump of a volume but tonight's, one a date. Raises VolumeError if dumps cannot be listed."""
    newest_first = dumps_by_date(config, volume)
    is_read_tonight = bool(newest_first) and is_new_enough(newest_first[0], today(), config.dumps.max_days_ago)
    return newest_first[1:] if is_read_tonight else newest_first


def dump_of(config: Config, volume: Volume, day: date) -> Dump:
    """The dump of a volume and date. Raises VolumeError, DumpNotFound if there is none."""
    dumps = dumps_by_date(config, volume)
    of_day = [dump for dump in dumps if dump.record_date == day]
    if not of_day:
        dates = ", ".join(str(dump.record_date) for dump in dumps[:SHOWN]) or "none"
        raise DumpNotFound(f"{volume.name}: no dump of {day}", f"Its newest dumps are of these dates: {dates}.")
    return of_day[0]


def dumps_by_date(config: Config, volume: Volume) -> list[Dump]:
    """The dumps of a volume, one a date, the newest first. Raises VolumeError if dumps cannot be listed."""
    of_date: dict[date, Dump] = {}
    dumps = dumps_of(config, volume) if volume.inventory else usable_dumps(config.dumps.directory, volume, today())
    for dump in dumps:
        of_date.setdefault(dump.record_date, dump)
    return list(of_date.values())
