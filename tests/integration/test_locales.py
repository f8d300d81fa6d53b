"""Every command in a locale that has not the characters of names: no traceback, and the same numbers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services import need

C = {"LC_ALL": "C"}
ISO = {"LC_ALL": "en_US.ISO-8859-1"}
SOURCES = Path("/usr/share/i18n")
AS_IT_IS = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
"""Python replaces the C locale unless it is told not to."""


@pytest.fixture(scope="module")
def locales(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder with a locale whose encoding is ISO-8859-1."""
    sources = [SOURCES / "charmaps" / "ISO-8859-1.gz", SOURCES / "locales" / "en_US"]
    need(None if all(path.exists() for path in sources) else "there are no sources of locales (Debian: locales)")
    folder = tmp_path_factory.mktemp("locales")
    command = ["localedef", "-i", "en_US", "-f", "ISO-8859-1", folder / ISO["LC_ALL"]]
    subprocess.run(command, check=True, capture_output=True)
    return str(folder)


def site_of(folder: Path) -> Path:
    """A tree with names in UTF-8 and in no encoding, and the configuration of a site that names it."""
    tree = folder / "tr\u00e9e"
    for name in (b"caf\xe9", "d\u00e9j\u00e0".encode(), "\u30c7\u30fc\u30bf".encode()):
        path = os.path.join(os.fsencode(tree), name)
        os.makedirs(path)
        with open(os.path.join(path, name + b".bam"), "wb") as file:
            file.write(b"12345")
    (folder / "lurge.toml").write_text(
        f'[dumps]\ndirectory = "dumps"\nvolumes = [{{ name = "tr\u00e9e", path = "{tree}" }}]\n', encoding="utf-8"
    )
    return tree


def run_all(folder: Path, environment: dict[str, str]) -> bytes:
    """Run every command on a site in some environment; returns what they printed."""
    tree = site_of(folder)
    config = ["--config", str(folder / "lurge.toml")]
    printed = b""
    for command in (
        ["scan", str(tree), "-o", str(folder / "dumps")],
        ["basedirs", "DUMP", "--depth", str(len(tree.parts))],
        ["plan", *config],
        ["report", *config, "--split"],
        ["report", *config, "--force", "-n", "2"],
        ["doctor", *config],
        ["db", "check", *config],
        ["ticket", "list", *config],
    ):
        words = [str(next(folder.glob("dumps/*/stats.gz"))) if word == "DUMP" else word for word in command]
        done = subprocess.run(
            [sys.executable, "-m", "lurge", *words],
            capture_output=True,
            timeout=240,
            env={**os.environ, **AS_IT_IS, **environment},
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        assert b"Traceback" not in done.stderr
        printed += done.stdout
    return printed


def written(folder: Path) -> dict[str, bytes]:
    """What does not hold the path of the tree, by its name: base directories and TSVs."""
    found = [*folder.glob("dumps/*.basedirs"), *folder.glob("out/*/*.tsv")]
    return {path.name: path.read_bytes().replace(os.fsencode(folder), b"") for path in found}


def test_names_and_numbers_do_not_depend_on_the_locale(tmp_path: Path, locales: str) -> None:
    printed = {}
    for name, environment in {"utf-8": {"LC_ALL": "C.UTF-8"}, "ascii": C, "iso-8859-1": ISO}.items():
        (tmp_path / name).mkdir()
        printed[name] = run_all(tmp_path / name, {**environment, "LOCPATH": locales})
    expected = written(tmp_path / "utf-8")
    assert "/tr\u00e9e/d\u00e9j\u00e0".encode() in b"".join(expected.values())
    assert written(tmp_path / "ascii") == written(tmp_path / "iso-8859-1") == expected
    for encoding, shown in printed.items():
        assert "d\u00e9j\u00e0".encode(encoding, "backslashreplace") in shown
        assert "\u30c7\u30fc\u30bf".encode(encoding, "backslashreplace") in shown
        assert rb"caf\xe9" in shown
