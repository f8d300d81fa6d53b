"""The settings in force, with the origin of each, and files to start from."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lurge.config import Config, load_config
from lurge.config.example import example_file
from lurge.config.filetypes import BUILT_IN_FILETYPES
from lurge.config.in_force import Setting, settings_in_force
from lurge.config.load import load
from lurge.config.schema import Schema
from lurge.config.tables import Table, tables
from lurge.config.toml import toml_key, toml_value
from lurge.config.warnings import BUILT_IN_LEVELS
from lurge.errors import ConfigError
from tests.site import run_lurge

NEEDED = ("dumps", "quotas")
NEEDED_FILES = (
    "some.basedirs", "my.cnf", "ca.pem", "jobs.json", "db.txt", "ldap.txt", "oidc.txt", "smtp.txt",
    "kafka.txt", "client.pem", "client.key", "groups.tsv", "users.tsv",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with everything that the examples name."""
    for name in NEEDED:
        (tmp_path / name).mkdir()
    for name in NEEDED_FILES:
        (tmp_path / name).touch()
    return tmp_path


def uncommented(text: str, folder: Path) -> str:
    """The example with every setting in use."""
    return re.sub(r"(?m)^#(?=\S)", "", text).replace("/where/wrstat/publishes", str(folder / "dumps"))


def test_each_value_has_its_origin(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "lurge.toml").write_text(
        '[dumps]\ndirectory = "dumps"\nvolumes = ["a", { name = "b", path = "/b" }]\n'
        '[database]\npassword_file = "db.txt"\n[filetypes]\n"X Y" = [".x"]\n'
        '[[pseudo_groups]]\npath = "/p"\ngid = -1\nname = "n"\n[path_aliases]\n"/a(b)" = "/\\\\1"\n'
    )
    monkeypatch.setenv("JOB_DATA_BASEDIR", "/jobs")
    settings = {setting.key: setting for setting in settings_in_force(load(folder / "lurge.toml"))}
    for expected in (
        Setting("dumps.directory", str(folder / "dumps"), "file", "line 2"),
        Setting("dumps.volumes", ["a", {"name": "b", "path": "/b"}], "file", "line 3"),
        Setting("dumps.max_days_ago", 10, "default", ""),
        Setting("reports.directory", str(folder / "out"), "default", ""),
        Setting("database.password", "(hidden)", "file", str(folder / "db.txt")),
        Setting('filetypes."X Y"', [".x"], "file", "line 7"),
        Setting("pseudo_groups[0]", {"path": "/p", "gid": -1, "name": "n", "pi": ""}, "file", "line 8"),
        Setting('path_aliases."/a(b)"', "/\\1", "file", "line 13"),
        Setting("warnings.levels[2]", {"level": 2, "days": 3, "fraction": 0.8}, "default", ""),
        Setting("tickets.directory", "/jobs", "environment", "$JOB_DATA_BASEDIR"),
        Setting("batch.logs", str(folder / "out" / "logs"), "default", ""),
    ):
        assert settings[expected.key] == expected


def test_without_a_file_everything_has_its_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="no such file"):
        load_config()
    config = load_config(optional=True)
    assert config.reports.directory == tmp_path / "out"
    assert config.database.url == f"sqlite:///{tmp_path}/out/lurge.db"
    assert (config.filetypes, config.levels) == (BUILT_IN_FILETYPES, BUILT_IN_LEVELS)
    assert not config.dumps_table
    for named in ({"given": tmp_path / "none.toml"}, {}):
        monkeypatch.setenv("LURGE_CONFIG", "none.toml")
        with pytest.raises(ConfigError, match="no such file"):
            load_config(**named, optional=True)


def test_a_file_whose_link_is_broken_is_not_taken_for_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lurge.toml").symlink_to("nowhere")
    with pytest.raises(ConfigError, match="no such file"):
        load_config(optional=True)


def test_the_example_file_says_nothing_until_it_is_uncommented(folder: Path) -> None:
    file = folder / "lurge.toml"
    file.write_text(example_file(Config))
    with_file = load_config(file)
    file.write_text("")
    assert with_file == load_config(file)


def test_every_example_of_the_file_loads(folder: Path) -> None:
    file = folder / "lurge.toml"
    file.write_text(uncommented(example_file(Config), folder))
    config = load_config(file)
    assert config.dumps.volumes[1].mount == "/usr"
    assert config.database.tls == "verify"
    assert config.identity.ldap
    assert config.split.s3
    assert [setting.key for setting in settings_in_force(load(file)) if setting.origin == "default"] == []


@pytest.mark.parametrize("table", list(tables(Schema.of(Config))), ids=lambda table: table.header)
def test_each_example_loads_without_the_others_of_its_table(folder: Path, table: Table) -> None:
    examples = {key: value.example for key, value in table.keys.items()}
    examples |= {toml_key(key): toml_value(value) for key, value in table.free_keys.items()}
    for key in examples:
        lines = [table.header, *(f"{name} = {examples[name]}" for name in {*table.required, key})]
        (folder / "lurge.toml").write_text(uncommented("\n".join(lines), folder))
        load_config(folder / "lurge.toml")


def test_show_prints_values_and_origins(folder: Path) -> None:
    (folder / "lurge.toml").write_text(
        "[mpi]\nblock_records = 7\n[dumps]\n" + f'directory = "{folder}"\nvolumes = ["v"]\n'
    )
    environment = {"LURGE_DB_PASSWORD": "hush", "LURGE_CONFIG": str(folder / "lurge.toml")}
    done = run_lurge("config", "show", env=environment)
    assert done.returncode == 0, done.stderr
    assert "mpi.block_records = 7  # file, line 2\n" in done.stdout
    assert 'database.password = "(hidden)"  # environment, $LURGE_DB_PASSWORD\n' in done.stdout
    assert 'identity.provider = "nss"  # default\n' in done.stdout
    assert "hush" not in done.stdout
    shown = json.loads(run_lurge("config", "show", "--json", env=environment).stdout)
    assert shown["file"] == str(folder / "lurge.toml")
    assert {"key": "mpi.block_records", "value": 7, "origin": "file", "detail": "line 2"} in shown["settings"]


def test_init_writes_a_file_and_overwrites_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run_lurge("config", "init")
    assert done.returncode == 0, done.stderr
    assert load_config(tmp_path / "lurge.toml")
    (tmp_path / "lurge.toml").write_text("[mpi]\n")
    done = run_lurge("config", "init", str(tmp_path))
    assert done.returncode == 2
    assert "--force" in done.stderr
    assert (tmp_path / "lurge.toml").read_text() == "[mpi]\n"
    assert run_lurge("config", "init", str(tmp_path), "--force").returncode == 0
    assert "#[dumps]" in (tmp_path / "lurge.toml").read_text()
    assert run_lurge("report", "--config", "lurge.toml").returncode == 2
