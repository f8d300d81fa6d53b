"""Questions to a tree index, beside the same questions to its files with DuckDB, for `benchmarks.tree`.

Directories of four kinds are asked about equally often: the top, those with the most children, others with children,
and leaves. The group, user and filetype of a filter are those that hold most of the directory. First each question is
asked once of both sides, whose answers must be equal. Then it is asked in rounds, in a random order, each time of both
sides, and timed: files are open, and their pages are in memory.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from benchmarks.report import execute, python, table
from benchmarks.tree_duck import DuckTree, Filters
from lurge.store.tree.layout import DIRECTORIES, MANIFEST, TIMES
from lurge.store.tree.publish import place_of
from lurge.tree import Tree, open_tree

TOP, WIDEST, INNER, LEAF = "the top", "the widest", "others with children", "leaves"
CHILDREN, COMPARE = "children", "compare"
NO_FILTER = "no filter"
FIRST_RUNS = 5
LURGE, DUCKDB = "lurge", "DuckDB"
EPOCH = pd.Timestamp(0, tz="UTC")

Ask = Callable[[str, Filters], pd.DataFrame]


@dataclass(frozen=True)
class Goal:
    """A value that was reached, and the largest that is good."""

    text: str
    value: float
    limit: float


@dataclass
class Question:
    """A question about a directory, with the milliseconds that each answer took, by side."""

    kind: str
    path: str
    name: str
    filters: Filters
    taken: dict[str, list[float]] = field(default_factory=dict)

    def ask(self, side: str, answer: Ask) -> pd.DataFrame:
        started = time.perf_counter()
        frame = answer(self.path, self.filters)
        self.taken.setdefault(side, []).append(1000 * (time.perf_counter() - started))
        return frame


# Choosing


def choose_directories(folder: Path, of_each_kind: int, seed: int = 1) -> list[tuple[str, str]]:
    """Directories that hold something, each with its kind. The top is repeated."""
    depths, rows, children, records, paths = [], [], [], [], []
    for depth, file in enumerate(sorted((folder / DIRECTORIES).iterdir())):
        columns = pq.read_table(file, columns=["path", "children", "records"])
        paths.append(columns["path"])
        depths.append(np.full(len(columns), depth))
        rows.append(np.arange(len(columns)))
        children.append(columns["children"].to_numpy())
        records.append(columns["records"].to_numpy())
    depth, row, width, held = map(np.concatenate, (depths, rows, children, records))
    below = np.flatnonzero((depth > 0) & (held > 0))
    inner, leaves = below[width[below] > 0], below[width[below] == 0]
    inner = inner[np.argsort(-width[inner], kind="stable")]
    chosen = np.random.default_rng(seed)
    kinds = {
        TOP: np.zeros(of_each_kind, np.int64),
        WIDEST: inner[:of_each_kind],
        INNER: chosen.permutation(inner[of_each_kind:])[:of_each_kind],
        LEAF: chosen.permutation(leaves)[:of_each_kind],
    }
    return [
        (kind, os.fsdecode(paths[depth[one]][row[one]].as_py()))
        for kind, places in kinds.items()
        for one in places.tolist()
    ]


def filters_of(tree: Tree, path: str) -> dict[str, Filters]:
    """The filters by which a directory is asked about, by name."""
    most = {}
    for by in ("group", "user", "filetype"):
        most[by] = tree.usage(path, by=by)[by].tolist()[:2]  # type: ignore[arg-type]
    group, user, filetype = ([values[0]] for values in most.values())
    return {
        NO_FILTER: {},
        "group": {"groups": group},
        "user": {"users": user},
        "filetype": {"filetypes": filetype},
        "60 days": {"older_than": 60},
        "2 years": {"older_than": 730},
        "all of these": {
            "groups": most["group"], "users": most["user"], "filetypes": most["filetype"], "older_than": 30,
            "by": "atime",
        },
    }  # fmt: skip


def make_questions(tree: Tree, directories: Iterable[tuple[str, str]]) -> list[Question]:
    return [
        Question(kind, path, name, filters)
        for kind, path in directories
        for name, filters in filters_of(tree, path).items()
    ]


# Asking


@contextmanager
def two_dates(world: Path, volume: str, tree: Tree, index: Path) -> Iterator[Path]:
    """A temporary folder with an index, and its files again as the index of the day before."""
    with tempfile.TemporaryDirectory(dir=world) as temporary:
        for day in (tree.date, tree.date - timedelta(days=1)):
            place = place_of(Path(temporary), volume, day)
            shutil.copytree(index, place, copy_function=os.link)
            (place / MANIFEST).unlink()
            (place / MANIFEST).write_text(json.dumps(tree.manifest | {"date": day.isoformat()}))
        yield Path(temporary)


def comparable(frame: pd.DataFrame) -> pd.DataFrame:
    """An answer with times in seconds, and rows in the order of paths."""
    frame = frame.assign(path=frame["path"].astype(object))
    for name in TIMES:
        if name in frame:
            time = frame[name]
            is_time = isinstance(time.dtype, pd.DatetimeTZDtype)
            frame[name] = (time - EPOCH).dt.total_seconds() if is_time else time.astype("float64")
    return frame.sort_values("path", ignore_index=True)


def check(question: Question, what: str, answers: Sequence[pd.DataFrame]) -> None:
    """Exit if two answers differ."""
    one, other = map(comparable, answers)
    try:
        pd.testing.assert_frame_equal(one, other, check_dtype=False)
    except AssertionError as error:
        sys.exit(f"lurge and DuckDB differ: {what} of {question.path}, {question.filters}\n{error}")


def run(what: str, questions: list[Question], sides: dict[str, Ask], rounds: int) -> None:
    """Ask all questions: once to compare the answers, and then in rounds."""
    print(f"{len(questions):,} questions: {what}", file=sys.stderr, flush=True)
    for question in questions:
        check(question, what, [question.ask(side, answer) for side, answer in sides.items()])
        question.taken.clear()
    order = random.Random(1)  # noqa: S311 - equal orders in all runs
    for number in range(1, rounds + 1):
        print(f"round {number}: {what}", file=sys.stderr, flush=True)
        for question in order.sample(questions, len(questions)):
            for side, answer in sides.items():
                question.ask(side, answer)


def first_questions(folder: Path, volume: str, questions: Iterable[Question]) -> list[tuple[Question, list[float]]]:
    """The median milliseconds of importing, opening and the first question, in fresh processes."""
    rows = []
    for question in questions:
        command = python("benchmarks.first", folder, volume, question.path, json.dumps(question.filters))
        runs = [json.loads(execute(command)) for _ in range(FIRST_RUNS)]
        rows.append((question, [1000 * statistics.median(seconds) for seconds in zip(*runs, strict=True)]))
    return rows


# Tables


def percentile(questions: Iterable[Question], side: str, percent: int) -> float:
    return float(np.percentile([taken for question in questions for taken in question.taken[side]], percent))


def print_answers(what: str, questions: Sequence[Question], sides: Iterable[str]) -> None:
    """Print the times by kind of directory, by filter, and of all."""
    groups: dict[str, list[Question]] = {}
    for question in questions:
        groups.setdefault(question.kind, []).append(question)
    for question in questions:
        groups.setdefault(question.name, []).append(question)
    columns = [(side, percent) for side in sides for percent in (50, 95)]
    headings = [f"{side} {'median' if percent == 50 else f'{percent} %'} ms" for side, percent in columns]
    rows = []
    for name, group in {**groups, "all": questions}.items():
        times = [f"{percentile(group, side, percent):.1f}" for side, percent in columns]
        rows.append([name, f"{len(group):,}", *times])
    table((f"`{what}`", "questions", *headings), rows)


def print_first(first: Iterable[tuple[Question, list[float]]]) -> None:
    rows = [[f"{one.kind}, {one.name}", *(f"{taken:.0f}" for taken in times)] for one, times in first]
    table(("first question of a process", "import lurge.tree ms", "open ms", "answer ms"), rows)


def benchmark(world: Path, directory: Path, volume: str, of_each_kind: int, rounds: int) -> list[Goal]:
    """Ask about the newest index of a volume, and print the times. Returns what was reached."""
    tree = open_tree(directory, volume)
    index = place_of(directory, volume, tree.date)
    questions = make_questions(tree, choose_directories(index, of_each_kind))
    rows = tree.manifest["rows"]["usage"]
    print(f"### Questions: {tree.manifest['directories']:,} directories, {rows:,} rows of usage\n", flush=True)
    reached = []
    with two_dates(world, volume, tree, index) as dates:
        older = tree.date - timedelta(days=1)
        tree = open_tree(dates, volume)
        duck = DuckTree(*(place_of(dates, volume, day) for day in (tree.date, older)))
        asked: dict[str, dict[str, Ask]] = {
            CHILDREN: {LURGE: lambda path, filters: tree.children(path, **filters), DUCKDB: duck.children},
            COMPARE: {LURGE: lambda path, filters: tree.compare(older, path, **filters), DUCKDB: duck.compare},
        }
        for what, limit in ((CHILDREN, 20), (COMPARE, 50)):
            run(what, questions, asked[what], rounds)
            print_answers(what, questions, asked[what])
            reached.append(Goal(f"`{what}`, 95 % of questions, ms", percentile(questions, LURGE, 95), limit))
        wanted = {(TOP, NO_FILTER), (WIDEST, "filetype"), (LEAF, "all of these")}
        chosen = {(one.kind, one.name): one for one in questions if (one.kind, one.name) in wanted}
        first = first_questions(dates, volume, chosen.values())
    print_first(first)
    reached.append(Goal("first question after opening, the slowest, ms", max(times[-1] for _, times in first), 200))
    return reached
