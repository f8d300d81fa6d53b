"""Names from elsewhere reach terminals and logs without control characters, on one line."""

from __future__ import annotations

import io
import logging
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lurge.display import counted, display, display_error
from lurge.logs import set_up_logs
from tests.hostile import strategies
from tests.site import Entry, Site, run_lurge

HOSTILE = b"\x1b[31mred\r\n2024-01-31 00:00:00,000 ERROR rank 0: forged\xe2\x80\xae\xc2\x9b\xff"
SHOWN = "\\x1b[31mred\\x0d\\x0a2024-01-31 00:00:00,000 ERROR rank 0: forged\\u202e\\x9b\\xff"


def test_each_character_that_cannot_be_seen_is_escaped() -> None:
    assert display(HOSTILE) == SHOWN
    assert display("caf\u00e9 \U0001f600 \u4e2d") == "caf\u00e9 \U0001f600 \u4e2d"
    assert display("\udcff\u2028\U000e0001") == "\\xff\\u2028\\U000e0001"
    assert display(Path("/a b")) == "/a b"


def test_one_is_singular_and_the_rest_plural() -> None:
    assert [counted(number, "day") for number in (0, 1, 2, 2000)] == ["0 days", "1 day", "2 days", "2,000 days"]
    assert [counted(number, "entry", "entries") for number in (1, 2)] == ["1 entry", "2 entries"]


@given(st.binary() | st.text(st.characters()) | strategies.byte_names | strategies.text_names)
def test_no_invisible_character_is_shown(value: bytes | str) -> None:
    text = display(value)
    assert text.isprintable() or not text
    assert not any(unicodedata.category(character).startswith("C") for character in text)
    text.encode()


def test_a_log_line_cannot_be_forged(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    set_up_logs(0)
    log = logging.getLogger("lurge.test")
    name = HOSTILE.decode("utf-8", "surrogateescape")
    log.warning("cannot read %s", name)
    try:
        raise ValueError(name)
    except ValueError as error:
        log.exception("failed")
        assert "forged" in display_error(error)
    lines = stream.getvalue().split("\n")
    assert [line for line in lines if "forged" in line and not line.startswith("    ")] == [lines[0]]
    assert "\x1b" not in stream.getvalue()
    assert "\u202e" not in stream.getvalue()


def test_names_in_summaries_and_scans_are_shown_escaped(site: Site, tmp_path: Path) -> None:
    hostile = b"/p/" + HOSTILE.replace(b"/", b"")
    site.base_directories((10, "/p"))
    site.dump(Entry(hostile + b"/x.bam", 2**40), Entry("/p/y", 5))
    said = site.run()
    tree = tmp_path / "tree"
    (tree / hostile[3:].decode("utf-8", "surrogateescape")).mkdir(parents=True)
    scanned = run_lurge("scan", str(tree / hostile[3:].decode("utf-8", "surrogateescape")), "-o", str(tmp_path / "out"))
    assert scanned.returncode == 0, scanned.stderr
    for text in (said.stdout, said.stderr, scanned.stdout, scanned.stderr):
        assert "\x1b" not in text
        assert not any(line.startswith("2024-01-31") for line in text.split("\n"))
    assert SHOWN in said.stdout
    assert SHOWN in scanned.stdout


def test_a_summary_that_cannot_be_encoded_is_shown_escaped(site: Site) -> None:
    site.base_directories((10, "/p"))
    site.dump(Entry("/p/\u4e2d/x", 5))
    done = site.run(env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"})
    assert "\\u4e2d" in done.stdout
    assert site.rows("select used from lustre_usage") == [(5,)]
