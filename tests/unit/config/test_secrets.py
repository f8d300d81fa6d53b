"""Passwords come from elsewhere and are shown nowhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

import lurge
from lurge.config import Config
from lurge.config.database import DatabaseConfig
from lurge.config.in_force import settings_in_force
from lurge.config.json_schema import json_schema
from lurge.config.load import load
from lurge.config.secret import Secret
from lurge.errors import ConfigError

LDAP = '[identity.ldap]\nurl = "ldap://x"\ngroup_base = "g"\npeople_base = "p"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "lurge.toml"


def test_no_form_of_a_model_shows_a_password(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LURGE_DB_PASSWORD", "hush-database")
    (file.parent / "ldap.txt").write_text("hush-ldap\n")
    file.write_text(LDAP + 'password_file = "ldap.txt"\n')
    loaded = load(file)
    config = loaded.config
    assert config.database.password
    assert config.database.password.reveal() == "hush-database"
    assert config.identity.ldap
    assert config.identity.ldap.password
    assert config.identity.ldap.password.reveal() == "hush-ldap"
    shown = [repr(config), str(config), repr(loaded), config.model_dump_json(), repr(config.model_dump())]
    shown += [repr(settings_in_force(loaded)), json.dumps(json_schema(Config))]
    assert "hush" not in "".join(shown)
    assert '"password"' not in json.dumps(json_schema(Config))


@pytest.mark.parametrize(
    "values",
    [{"password": "hush"}, {"url": "mysql://u:hush@h/d"}, {"password": Secret("hush"), "tls": "hush"}, {"hush": 1}],
)
def test_errors_of_pydantic_show_no_value(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        DatabaseConfig(**values)  # type: ignore[arg-type]
    assert "hush" not in str(caught.value).replace("\nhush\n", "")


def test_a_password_in_the_file_is_refused_with_advice(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LURGE_DB_PASSWORD", "other")
    file.write_text('[database]\npassword = "hush"\n')
    with pytest.raises(ConfigError, match="2: database.password: a password must not be in the file") as caught:
        load(file)
    assert "$LURGE_DB_PASSWORD" in caught.value.advice
    assert "hush" not in caught.value.message + caught.value.advice


def test_a_password_file_counts_only_without_the_variable(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('[database]\npassword_file = "none"\n')
    with pytest.raises(ConfigError, match=r"2: database\.password_file: .*none: No such file or directory"):
        load(file)
    monkeypatch.setenv("LURGE_DB_PASSWORD", "")
    password = load(file).config.database.password
    assert password
    assert password.reveal() == ""


def test_a_password_file_that_is_not_text_is_refused(file: Path) -> None:
    (file.parent / "p").write_bytes(b"\xff")
    file.write_text('[database]\npassword_file = "p"\n')
    with pytest.raises(ConfigError, match=r"database\.password_file: .*is not text"):
        load(file)


def test_a_password_alone_makes_no_ldap_server(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LURGE_LDAP_PASSWORD", "hush")
    for text in ("", "[identity]\n", "[identity.ldap]\n"):
        file.write_text(text)
        assert load(file).config.identity.ldap is None


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:hush@h/d",
        "postgresql+psycopg://u@h/d?password=hush",
        "postgresql://u@h/d?sslpassword=hush",
        "postgresql://u@h/d?sslmode=disable&x=hush",
    ],
)
def test_a_postgresql_url_holds_no_password_and_no_mode_of_encryption(file: Path, url: str) -> None:
    file.write_text(f'[database]\nurl = "{url}"\n')
    with pytest.raises(ConfigError, match=r"2: database\.url") as caught:
        load(file)
    assert "hush" not in caught.value.message


def test_a_postgresql_url_gets_its_driver(file: Path) -> None:
    for url in ("postgresql://lurge@host:5433/usage", "postgresql+psycopg://lurge@host:5433/usage"):
        file.write_text(f'[database]\nurl = "{url}"\n')
        assert load(file).config.database.url == "postgresql+psycopg://lurge@host:5433/usage"


def test_plugins_of_pydantic_see_no_password(tmp_path: Path) -> None:
    """A plugin is any installed package that says so; it would be handed all values that are checked."""
    package = tmp_path / "spy-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: spy\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[pydantic]\nspy = spy:plugin\n")
    (tmp_path / "spy.py").write_text("print('loaded')\nplugin = None\n")
    environment = {name: value for name, value in os.environ.items() if name != "PYDANTIC_DISABLE_PLUGINS"}
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), str(Path(lurge.__file__).parents[1])])
    code = "import lurge.config; lurge.config.load_config(optional=True)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path, check=True
    )
    assert done.stdout == ""
