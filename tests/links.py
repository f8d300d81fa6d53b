"""An aggregate that lurge does not know: symbolic links by user. As a program, alone or under mpiexec, it prints them.

python -m tests.links CONFIG
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from lurge.aggregate.interface import Aggregate, Check, Tally
from lurge.aggregate.records import Records
from lurge.aggregate.usage import USERS
from lurge.cli.progress import watch
from lurge.cli.ranks import coordinate_others
from lurge.config import load_config
from lurge.kernels import record
from lurge.model.report import Counts
from lurge.model.rules import Rules
from lurge.parallel.comm import Comm, connect, run_rank
from lurge.parallel.coordinator import Arrived, Result
from lurge.parallel.member import run_member
from lurge.pipeline.reading import read_all
from lurge.pipeline.work import task_of
from lurge.source.finding import newest_dump
from tests.site import TODAY


class LinkTally(Tally[Counter[int]]):
    def __init__(self) -> None:
        self._links: Counter[int] = Counter()

    def add(self, records: Records) -> None:
        are_links = records.column(record.KIND) == ord("l")
        self._links.update(records.column(record.UID)[are_links].tolist())

    def export(self) -> Counter[int]:
        return self._links

    def merge(self, export: Counter[int]) -> None:
        self._links.update(export)


@dataclass(frozen=True)
class LinksByUser(Aggregate[Counter[int], list[tuple[int, int]]]):
    """expected: the number of links that there must be."""

    expected: int
    name: str = "links"

    def tally(self, rules: Rules) -> LinkTally:
        return LinkTally()

    def result(self, export: Counter[int], rules: Rules) -> list[tuple[int, int]]:
        return sorted(export.items())

    def checks(self, result: list[tuple[int, int]], counts: Counts) -> Iterable[Check]:
        yield Check("expected links = links of the users", self.expected, sum(links for _, links in result))


def main(file: Path, expected: int) -> int:
    comm = connect()
    if comm and comm.rank:
        return run_rank(comm, lambda: run_member(comm))
    config = load_config(file)
    links = LinksByUser(expected)
    dump = newest_dump(config.dumps.directory, config.dumps.volumes[0], TODAY, 1)
    task = replace(task_of(config, dump), aggregates=(USERS, links))

    def show(number: int, result: Result) -> None:
        assert isinstance(result, Arrived), result
        results = result.results()
        print(results.of(links), sum(row.files for row in results.of(USERS)))

    def coordinate(comm: Comm | None) -> int:
        with watch(quiet=True) as watcher:
            read_all(config, comm, {0: task}, watcher, show)
        return 0

    return run_rank(comm, lambda: coordinate_others(comm, coordinate)) if comm else coordinate(None)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
