"""The line of every key of a TOML document."""

from __future__ import annotations

from pathlib import Path

import pytest

from lurge.config.document import Document, Place, dotted

TEXT = """\
# a comment
top = 1

[dumps]
volumes = [
    "a", # [not.a.table]
    { name = "b", path = "/b" },
]
text = '''
key = 1
'''
after = 2
[identity.ldap]
"odd key" = 3
x.y = 4
[[pseudo_groups]]
path = "/a"
[[pseudo_groups]]
path = "/b"
[pseudo_groups.below]
deep = 1
[[pseudo_groups.list]]
z = 1
"""


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("top",), 2),
        (("dumps",), 4),
        (("dumps", "volumes"), 5),
        (("dumps", "volumes", 1, "path"), 5),
        (("dumps", "text"), 9),
        (("dumps", "after"), 12),
        (("identity", "ldap"), 13),
        (("identity", "ldap", "odd key"), 14),
        (("identity", "ldap", "x", "y"), 15),
        (("pseudo_groups",), 16),
        (("pseudo_groups", 0, "path"), 17),
        (("pseudo_groups", 1), 18),
        (("pseudo_groups", 1, "path"), 19),
        (("pseudo_groups", 1, "below", "deep"), 21),
        (("pseudo_groups", 1, "list", 0, "z"), 23),
        (("dumps", "missing"), 4),
        (("nowhere",), None),
    ],
)
def test_the_line_of_a_key_is_where_its_statement_begins(tmp_path: Path, place: Place, line: int | None) -> None:
    file = tmp_path / "lurge.toml"
    file.write_text(TEXT)
    document = Document.read(file)
    assert document.line_of(place) == line


def test_keys_are_quoted_only_where_toml_wants_it() -> None:
    assert dotted(("a", 0, "b-c")) == "a[0].b-c"
    assert dotted(("filetypes", "VCF (gzip)")) == 'filetypes."VCF (gzip)"'
