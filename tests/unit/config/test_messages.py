"""Messages of mistakes: the file, the line, the key, the problem, and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from lurge.config import load_config
from lurge.errors import ConfigError


def error_of(folder: Path, text: str, needs: tuple[str, ...] = ()) -> ConfigError:
    file = folder / "lurge.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(file, needs=needs)
    assert str(caught.value).startswith(f"{file}:")
    assert caught.value.exit_status == 2
    return caught.value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[dumps]\ndirectorry = "x"\n', "2: dumps.directorry: is unknown; did you mean dumps.directory?"),
        ("[dunps]\n", "1: dunps: is unknown; did you mean dumps?"),
        ("[identity.lpad]\n", "1: identity.lpad: is unknown; did you mean identity.ldap?"),
        ("\n[reports]\nmax_days_ago = 1\n", "3: reports.max_days_ago: is unknown; did you mean dumps.max_days_ago?"),
        ('volumes = ["x"]\n', "1: volumes: is unknown; did you mean dumps.volumes?"),
        ("[mpi]\nqqq = 1\n", "2: mpi.qqq: is unknown"),
        (
            "[[pseudo_groups]]\npaht = '/a'\n",
            "2: pseudo_groups[0].paht: is unknown; did you mean pseudo_groups[0].path?",
        ),
        ("[mpi]\n# more\nblock_records = 0\n", "3: mpi.block_records: must be at least 1"),
        ("[mpi]\nblock_records = 100001\n", "2: mpi.block_records: must be at most 100000"),
        ("[mpi]\nblock_records = 1.5\n", "2: mpi.block_records: must be a whole number"),
        ("[mpi]\nblock_records = true\n", "2: mpi.block_records: must be a whole number"),
        ("mpi = 1\n", "1: mpi: must be a table"),
        ("[[mpi]]\n", "1: mpi: must be a table"),
        ("pseudo_groups = 1\n", "1: pseudo_groups: must be a list"),
        ("[reports]\ndirectory = 1979-05-27\n", "2: reports.directory: must be a string"),
        ("[reports]\ndirectory = ''\n", "2: reports.directory: must not be empty or contain a NUL"),
        ("[reports]\ndeep_directories = 'users'\n", "2: reports.deep_directories: must be a list"),
        ("[split.s3]\nbucket = 'b'\ndated = 1\n", "3: split.s3.dated: must be true or false"),
        ("[database]\nswap = 'fast'\n", "2: database.swap: must be one of transaction, tagged"),
        ("[quota]\nproviders = ['lfs', 'tea']\n", "2: quota.providers[1]: must be one of lfs, csv"),
        ("[filetypes]\nBAM = []\n", "2: filetypes.BAM: must not be empty"),
        (
            "[warnings]\nlevels = [{level=2, days=1, fraction=inf}]\n",
            "2: warnings.levels[0].fraction: must be a finite",
        ),
        ("[identity]\nprovider = 'files'\n", '1: identity.files.groups: is missing, but identity.provider is "files"'),
        ("[split]\ns3 = 4\n", "2: split.s3: must be a table"),
    ],
)
def test_a_message_has_line_key_and_problem(tmp_path: Path, text: str, message: str) -> None:
    assert f"lurge.toml:{message}" in error_of(tmp_path, text).message


def test_a_missing_key_comes_with_an_example(tmp_path: Path) -> None:
    error = error_of(tmp_path, "[split.s3]\nprefix = 'x'\n")
    assert "lurge.toml:1: split.s3.bucket: is missing" in error.message
    assert error.advice == 'Write for instance bucket = "treeserve"'


def test_text_that_is_not_toml_is_refused_with_its_line(tmp_path: Path) -> None:
    assert "is not TOML" in error_of(tmp_path, "a = 1\nb\n").message
    assert "line 2" in error_of(tmp_path, "a = 1\nb\n").message


def test_a_command_that_needs_dumps_says_how_to_name_them(tmp_path: Path) -> None:
    error = error_of(tmp_path, "[reports]\n", needs=("dumps",))
    assert error.key == "dumps.directory"
    assert "dumps.volumes" in error.message
    assert 'volumes = ["scratch119"' in error.advice
    with pytest.raises(ConfigError, match=r"dumps\.directory"):
        _ = load_config(tmp_path / "lurge.toml").dumps
