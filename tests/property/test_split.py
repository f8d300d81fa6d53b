"""Splitting by group and its plain twin give equal lines, if these come in pieces of any size and in any order."""

from __future__ import annotations

import gzip
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lurge.aggregate.plain import plain_split
from lurge.aggregate.volume import Pass
from lurge.export.split import SplitByGroup
from lurge.model.era import Era
from lurge.model.rules import Rules
from lurge.model.split import GroupLines
from lurge.parallel.blocks import Buffers, cut
from lurge.parallel.crew import ThreadCrew
from tests.property.test_kernel import RULES, texts
from tests.streams import arriving

# Hypothesis shrinks a failure for up to five minutes.
pytestmark = pytest.mark.timeout(900)


def split(rules: Rules, lines: Sequence[bytes], folder: Path, block_lines: int, seed: int) -> list[GroupLines]:
    """Split as workers do, whose portions come in any order."""
    text = b"\n".join(lines) + (b"\n" if lines else b"")
    aggregate = SplitByGroup(folder)
    portions = []
    for batch in cut(arriving([text]), block_lines, Buffers(150)):
        part = Pass(rules, [aggregate])
        part.add(batch.text, batch.first_line)
        portions.append((batch.first_line, batch.lines, part.take_portions().get("split")))
    random.Random(seed).shuffle(portions)
    parts = aggregate.open_sink()
    for first_line, lines_read, portion in portions:
        parts.add(first_line, lines_read, portion)
    assert parts.waiting == 0
    return parts.finish([], ThreadCrew(1))


@pytest.mark.parametrize("era", RULES, ids=str)
@given(data=st.data(), block_lines=st.integers(1, 4), seed=st.integers(0, 99))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
def test_splitting_hostile_lines_gives_the_lines_of_the_twin(
    era: Era, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, block_lines: int, seed: int
) -> None:
    lines = data.draw(texts(era))
    folder = tmp_path_factory.mktemp("parts") / "volume"
    groups = split(RULES[era], lines, folder, block_lines, seed)
    twin = plain_split(RULES[era], lines)
    assert {gid: (count, directories) for gid, count, directories in groups} == {
        gid: (len(own), directories) for gid, (own, directories) in twin.items()
    }
    for gid, (own, _) in twin.items():
        assert gzip.decompress((folder / f"{gid}.gz").read_bytes()) == b"".join(own)
    assert len(list(folder.iterdir())) == len(twin)


def test_the_bytes_of_a_group_do_not_depend_on_the_pieces(tmp_path: Path) -> None:
    """Each group has more than one gzip member."""
    (era, rules), *_ = RULES.items()
    lines = [b"L3AvZm9v\t%d\t1\t%d\t0\t0\t0\tf\t1\t1\t1" % (number, number % 3) for number in range(20_000)]
    split(rules, lines, tmp_path / "first", 250, 1)
    split(rules, lines, tmp_path / "second", 250, 2)
    files = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert files == ["0.gz", "1.gz", "2.gz"]
    for name in files:
        whole = (tmp_path / "first" / name).read_bytes()
        assert whole == (tmp_path / "second" / name).read_bytes()
        assert gzip.decompress(whole).count(b"\n") >= 6666
    assert whole.count(b"\x1f\x8b\x08") > 1
    assert era.columns == 11
