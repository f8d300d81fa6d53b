"""The configuration: what it means, and that every mistake names its key."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lurge.config import load_config
from lurge.config.filetypes import BUILT_IN_FILETYPES
from lurge.errors import ConfigError
from lurge.model.dump import Volume
from lurge.model.paths import PathAliases

MINIMAL = '[dumps]\ndirectory = "dumps"\nvolumes = ["scratch119"]\n'
FULL = """
[dumps]
directory = "dumps"
volumes = ["scratch119", { name = "usr", path = "/usr/" }]
max_days_ago = 3
max_rejected_fraction = 0
base_directories = "some.basedirs"
[reports]
directory = "reports"
deep_directories = ["users"]
[database]
url = "sqlite:///db/x.db"
[filetypes]
BAM = [".bam"]
"VCF (gzip)" = [".vcf.gz"]
[path_aliases]
"/lustre/scratch123/hgi/mdt[0-9]/teams" = "/lustre/scratch123/hgi/teams"
[[pseudo_groups]]
path = "/lustre/scratch124/casm/team113"
gid = -1
name = "team113-116"
pi = "Team 113"
[identity]
provider = "nss"
[identity.files]
groups = "groups.tsv"
users = "users.tsv"
[identity.ldap]
url = "ldaps://ldap.example.org"
group_base = "ou=group,dc=example,dc=org"
people_base = "ou=people,dc=example,dc=org"
pi_attribute = "sangerProjectPI"
[quota]
providers = ["lfs", "csv"]
csv_directory = "quotas"
[mpi]
block_records = 100
workers_per_volume = 2
[[warnings.levels]]
level = 3
days = 3
fraction = 0.85
[basedirs]
depth = 4
[basedirs.prefixes]
"/usr" = 2
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "dumps").mkdir()
    (tmp_path / "quotas").mkdir()
    (tmp_path / "some.basedirs").touch()
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "lurge.toml"
    path.write_text(text)
    return path


def test_a_minimal_file_gets_the_defaults(folder: Path) -> None:
    config = load_config(write(folder, MINIMAL))
    assert config.dumps.volumes == (Volume("scratch119", "/lustre/scratch119"),)
    assert (config.dumps.max_days_ago, config.dumps.max_rejected_fraction) == (10, 0.01)
    assert config.reports.directory == folder / "out"
    assert config.database.url == f"sqlite:///{folder}/out/lurge.db"
    assert config.filetypes == BUILT_IN_FILETYPES
    assert (config.mpi.block_records, config.mpi.workers_per_volume) == (250, 6)
    assert config.identity.provider == "nss"


def test_every_section_is_read(folder: Path) -> None:
    config = load_config(write(folder, FULL))
    assert config.dumps.volumes[1] == Volume("usr", "/usr")
    assert config.dumps.base_directories == folder / "some.basedirs"
    assert [filetype.name for filetype in config.filetypes] == ["BAM", "VCF (gzip)"]
    assert config.path_aliases.apply(b"/lustre/scratch123/hgi/mdt7/teams/x") == b"/lustre/scratch123/hgi/teams/x"
    assert config.pseudo_groups[0].gid == -1
    assert config.basedirs.prefixes == (("/usr", 2),)


def test_the_file_is_found_by_option_environment_or_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    write(folder, MINIMAL)
    monkeypatch.chdir(folder)
    assert load_config().file == folder / "lurge.toml"
    other = tmp_path_factory.mktemp("other")
    (other / "dumps").mkdir()
    monkeypatch.setenv("LURGE_CONFIG", str(write(other, MINIMAL)))
    assert load_config().file.parent == other
    assert load_config(folder / "lurge.toml").file.parent == folder
    monkeypatch.setenv("LURGE_CONFIG", "/nowhere/lurge.toml")
    with pytest.raises(ConfigError, match="/nowhere/lurge.toml: no such file"):
        load_config()


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (("[mpi]", "[mpi]\nnonsense = 1"), "mpi.nonsense"),
        (("[reports]", "[reportz]\n[reports]"), "reportz"),
        (('directory = "dumps"', 'directorry = "dumps"'), "dumps.directorry"),
        (('directory = "dumps"', 'directory = "nowhere"'), "dumps.directory"),
        (('directory = "dumps"', "directory = 5"), "dumps.directory"),
        (('"some.basedirs"', '"none.basedirs"'), "dumps.base_directories"),
        (("max_days_ago = 3", 'max_days_ago = "3"'), "dumps.max_days_ago"),
        (("max_days_ago = 3", "max_days_ago = true"), "dumps.max_days_ago"),
        (("max_days_ago = 3", "max_days_ago = -1"), "dumps.max_days_ago"),
        (("max_rejected_fraction = 0", "max_rejected_fraction = nan"), "dumps.max_rejected_fraction"),
        (('path = "/usr/"', 'path = "usr"'), "dumps.volumes[1].path"),
        (('path = "/usr/"', 'path = "/usr", x = 1'), "dumps.volumes[1].x"),
        (('name = "usr"', 'name = "scratch119"'), "dumps.volumes[1]"),
        (('["scratch119", { name = "usr", path = "/usr/" }]', "[]"), "dumps.volumes"),
        (('["scratch119", ', '["a/b", '), "dumps.volumes[0]"),
        (('["scratch119", ', "[7, "), "dumps.volumes[0]"),
        (('["users"]', '["users", 1]'), "reports.deep_directories"),
        (('"sqlite:///db/x.db"', '"oracle://x"'), "database.url"),
        (('BAM = [".bam"]', 'BAM = ".bam"'), "filetypes.BAM"),
        (("mdt[0-9]", "mdt[0-9"), "path_aliases"),
        (('= "/lustre/scratch123/hgi/teams"', r"= '/\9'"), "path_aliases"),
        (('= "/lustre/scratch123/hgi/teams"', "= 1"), "path_aliases"),
        (("gid = -1", "gid = 1.5"), "pseudo_groups[0].gid"),
        (('name = "team113-116"', ""), "pseudo_groups[0].name"),
        (('provider = "nss"', 'provider = "nis"'), "identity.provider"),
        (('provider = "nss"', 'provider = "files"'), "identity.files.groups"),
        (("block_records = 100", "block_records = 0"), "mpi.block_records"),
        (("block_records = 100", f"block_records = {10**20}"), "mpi.block_records"),
        (("gid = -1", f"gid = {10**20}"), "pseudo_groups[0].gid"),
        (('"team113-116"', '""'), "pseudo_groups[0].name"),
        (('"reports"', r'"a\u0000b"'), "reports.directory"),
        (("fraction = 0.85", 'fraction = "x"'), "warnings.levels[0].fraction"),
        (('"/usr" = 2', '"usr" = 2'), "basedirs.prefixes"),
        (('"sqlite:///db/x.db"', '"mysql://h"'), "database.url"),
        (('"sqlite:///db/x.db"', '"mysql://u:secret@h/d"'), "database.url"),
        (('"sqlite:///db/x.db"', '"mysql://u@h/d?passwd=secret"'), "database.url"),
        (('"sqlite:///db/x.db"', '"mysql://u:s#secret@h/d"'), "database.url"),
        (('"sqlite:///db/x.db"', '"mysql://u:s?secret/@h/d"'), "database.url"),
        (('"sqlite:///db/x.db"', '"mysql://u@h/d?x=1&pass%77d=secret"'), "database.url"),
        (('"sqlite:///db/x.db"', '"mysql://me@corp:secret@h/d"'), "database.url"),
        (('"sqlite:///db/x.db"', '"mysql://me%40corp:secret@h/d"'), "database.url"),
        (('"sqlite:///db/x.db"', '"mysql://me@corp:sec/ret@secret@h/d"'), "database.url"),
        (('"sqlite:///db/x.db"', '"mysql://me@corp@h/d"'), "database.url"),
        (('"sqlite:///db/x.db"', '"mysql://me@corp:123/secret@h"'), "database.url"),
        (('"sqlite:///db/x.db"', '"mysql://u@h/d#password=secret"'), "database.url"),
        (('"sqlite:///db/x.db"', '"mysql://u@h/d?init_command=x"'), "database.url"),
        (('"sqlite:///db/x.db"', '"mysql://u@h/d?x=1&ssl_mode=DISABLED"'), "database.url"),
        (('"sqlite:///db/x.db"', '"mysql://u@h/d?local_infile=1"'), "database.url"),
        (('"sqlite:///db/x.db"', '"postgresql://h"'), "database.url"),
        (('"sqlite:///db/x.db"', '"postgresql://u:secret@h/d"'), "database.url"),
        (('"sqlite:///db/x.db"', '"postgresql+asyncpg://u@h/d"'), "database.url"),
        (('"sqlite:///db/x.db"', '"postgresql://u@h/d?password=secret"'), "database.url"),
        (('"sqlite:///db/x.db"', '"postgresql://u@h/d?sslmode=disable"'), "database.url"),
        (('"sqlite:///db/x.db"', '"mysql://u@h/d"\ntls = "maybe"'), "database.tls"),
        (('"sqlite:///db/x.db"', '"mysql://u@h/d"\nca_file = "none"'), "database.ca_file"),
        (('"sqlite:///db/x.db"', '"mysql://u@h/d"\ntls = "off"\nca_file = "some.basedirs"'), "database.ca_file"),
        (('"team113-116"', f'"{"x" * 256}"'), "pseudo_groups[0].name"),
        (('BAM = [".bam"]', f'"{"x" * 256}" = [".bam"]'), "filetypes"),
        (('name = "usr"', f'name = "{"x" * 256}"'), "dumps.volumes[1]"),
        (('"ldaps://ldap.example.org"', '"ldap://cn=a:s#secret@x"'), "identity.ldap.url"),
        (("[mpi]", '[split.s3]\nbucket = "b"\nendpoint_url = "http://k:secret@x"\n[mpi]'), "split.s3.endpoint_url"),
        (('"sqlite:///db/x.db"', '"mysql://u@h/d"\noption_file = "none"'), "database.option_file"),
        (('"sqlite:///db/x.db"', '"mysql://u@h/d"\npassword_file = "none"'), "database.password_file"),
        (('"sqlite:///db/x.db"', '"mysql://u@h/d"\npassword = "secret"'), "database.password"),
        (('provider = "nss"', 'provider = "nss"\non_failure = "panic"'), "identity.on_failure"),
        (('"ldaps://ldap.example.org"', '"http://x"'), "identity.ldap.url"),
        (('"ldaps://ldap.example.org"', '"ldaps://u:secret@x"'), "identity.ldap.url"),
        (('group_base = "ou=group,dc=example,dc=org"', ""), "identity.ldap.group_base"),
        (('"sangerProjectPI"', '"sangerProjectPI"\nca_file = "none"'), "identity.ldap.ca_file"),
        (('["lfs", "csv"]', '["lfs", "tea"]'), "quota.providers"),
        (('csv_directory = "quotas"', 'csv_directory = "none"'), "quota.csv_directory"),
        (('csv_directory = "quotas"', "timeout = 0"), "quota.timeout"),
        (("level = 3", "level = 4"), "warnings.levels[0].level"),
        (("fraction = 0.85", "fraction = nan"), "warnings.levels[0].fraction"),
        (("[mpi]", '[tickets]\njobs = "none"\n[mpi]'), "tickets.jobs"),
        (("[mpi]", '[split.s3]\nprefix = "x"\n[mpi]'), "split.s3.bucket"),
        (("[mpi]", '[split.s3]\nbucket = "b"\ndated = "no"\n[mpi]'), "split.s3.dated"),
        (("[mpi]", "[batch]\nranks = -1\n[mpi]"), "batch.ranks"),
    ],
)
def test_every_mistake_names_its_key(folder: Path, change: tuple[str, str], key: str) -> None:
    assert change[0] in FULL
    path = write(folder, FULL.replace(*change, 1))
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert str(path) in caught.value.message
    assert key in caught.value.message
    assert "secret" not in caught.value.message
    assert caught.value.exit_status == 2


def test_secrets_come_from_elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "db").write_text("from a file\n")
    text = MINIMAL + '[database]\nurl = "mysql://lurge@host:3307/usage?unix_socket=/x"\npassword_file = "db"\n'
    database = load_config(write(folder, text)).database
    assert database.url == "mysql+mysqldb://lurge@host:3307/usage?unix_socket=/x"
    assert database.password
    assert database.password.reveal() == "from a file"
    monkeypatch.setenv("LURGE_DB_PASSWORD", "from the environment")
    config = load_config(write(folder, text))
    assert config.database.password
    assert config.database.password.reveal() == "from the environment"
    assert "from the environment" not in repr(config)


def test_paths_are_relative_to_the_file_or_from_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = load_config(write(folder, MINIMAL + '[reports]\ndirectory = "r"\n'))
    assert config.tickets.directory == folder / "r" / "tickets"
    assert config.split.directory == folder / "r" / "groups"
    assert config.batch.logs == folder / "r" / "logs"
    assert config.identity.cache == folder / "r" / "last-names.json"
    assert config.quota.providers == ()
    assert config.split.s3 is None
    monkeypatch.setenv("JOB_DATA_BASEDIR", "/jobs")
    assert load_config(folder / "lurge.toml").tickets.directory == Path("/jobs")
    assert load_config(write(folder, MINIMAL + "[quota]\n")).quota.providers == ("lfs", "csv")


PSEUDO_GROUP = '[[pseudo_groups]]\npath = "{}"\ngid = {}\nname = "{}"\n'


@pytest.mark.parametrize(("path", "gid"), [("/a", -2), ("/b", -1)])
def test_another_pseudo_group_of_one_path_or_gid_is_refused(folder: Path, path: str, gid: int) -> None:
    first, second = PSEUDO_GROUP.format("/a", -1, "x"), PSEUDO_GROUP.format(path, gid, "y")
    with pytest.raises(ConfigError):
        load_config(write(folder, MINIMAL + first + second))


def test_a_pseudo_group_may_have_several_paths(folder: Path) -> None:
    text = PSEUDO_GROUP.format("/a", -1, "x") + PSEUDO_GROUP.format("/b", -1, "x")
    assert len(load_config(write(folder, MINIMAL + text)).pseudo_groups) == 2


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=40) | st.text("[]{}=\"'#.\n x1", max_size=40))
def test_any_text_is_read_or_refused(folder: Path, text: str) -> None:
    path = folder / "any.toml"
    path.write_bytes((MINIMAL + text).encode("utf-8", "surrogatepass"))
    try:
        load_config(path)
    except ConfigError as error:
        assert str(path) in error.message


def test_aliases_are_anchored_and_by_component() -> None:
    aliases = PathAliases.compile([("/a/mdt[0-9]+", "/A"), ("/a", "/B"), (r"/(x)/(y)", r"/\2/\1")])
    for path, shown in [
        (b"/a/mdt12", b"/A"),
        (b"/a/mdt12/z", b"/A/z"),
        (b"/a/mdt12x/z", b"/B/mdt12x/z"),
        (b"/ab/mdt1", b"/ab/mdt1"),
        (b"/q/a/mdt1", b"/q/a/mdt1"),
        (b"/x/y/\xff\n", b"/y/x/\xff\n"),
        (b"/x/yz", b"/x/yz"),
    ]:
        assert aliases.apply(path) == shown


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(
    user=st.text("ab@/:%?#=&4", max_size=8),
    password=st.text("xyz@/:%?#=&", min_size=1, max_size=8).map(lambda text: f"hush{text}hush"),
    scheme=st.sampled_from(["mysql", "mysql+mysqldb", "postgresql", "postgresql+psycopg"]),
)
def test_a_password_in_a_url_is_refused_and_never_shown(folder: Path, user: str, password: str, scheme: str) -> None:
    url = f"{scheme}://{user}:{password}@host/name".replace("\\", "")
    text = MINIMAL + f"[database]\nurl = '{url}'\n"
    with pytest.raises(ConfigError) as caught:
        load_config(write(folder, text))
    assert "hush" not in caught.value.message + caught.value.advice


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg"])
@pytest.mark.parametrize(
    "rest", ["lurge@h:5433/usage", "me%40corp@h/usage", "lurge@/usage?host=/run/postgresql", "/usage"]
)
def test_every_url_of_postgresql_gets_the_driver(folder: Path, scheme: str, rest: str) -> None:
    database = load_config(write(folder, f'{MINIMAL}[database]\nurl = "{scheme}://{rest}"\n')).database
    assert database.url == f"postgresql+psycopg://{rest}"


def test_a_connection_is_encrypted_as_the_file_says(folder: Path) -> None:
    url = '[database]\nurl = "mysql://me%40corp@h/d"\n'
    assert load_config(write(folder, MINIMAL + url)).database.tls == "prefer"
    for plain in ("mysql://lurge@h/db?unix_socket=/run/a:b@c.sock", "mysql://lurge@h:3306/db?unix_socket=@abs"):
        assert load_config(write(folder, f'{MINIMAL}[database]\nurl = "{plain}"\n')).database.url.endswith(plain[8:])
    (folder / "ca.pem").touch()
    config = load_config(write(folder, MINIMAL + url + 'ca_file = "ca.pem"\n'))
    assert (config.database.tls, config.database.ca_file) == ("verify", folder / "ca.pem")
    assert config.database.url == "mysql+mysqldb://me%40corp@h/d"


def test_a_tilde_is_the_home_directory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one, no directory gets the name `~`."""
    text = FULL.replace('"reports"', '"~/reports"').replace("sqlite:///db/x.db", "sqlite:///~/x.db")
    path = write(folder, text)
    monkeypatch.setenv("HOME", "/home/me")
    config = load_config(path)
    assert config.reports.directory == Path("/home/me/reports")
    assert config.database.url == "sqlite:////home/me/x.db"
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("os.getuid", lambda: 2**31 - 2)
    with pytest.raises(ConfigError, match=r"reports.directory: .*HOME is not set"):
        load_config(path)
