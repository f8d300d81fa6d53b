"""Names from the machine, from files and from an LDAP server, one contract."""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lurge.config.identity import IdentityConfig
from lurge.enrich.identity import Identity, Names, NssIdentity, TableIdentity, make_identity, read_files
from lurge.errors import IdentityError
from lurge.model.names import Group
from lurge.model.rules import PseudoGroup
from tests.services import slapd
from tests.services.slapd import Slapd


@pytest.fixture(params=["nss", "files", "ldap"])
def identity(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Identity]:
    """Each provider, knowing this process's own user and group."""
    group, user = grp.getgrgid(os.getgid()), pwd.getpwuid(os.getuid())
    if request.param == "nss":
        yield NssIdentity()
    elif request.param == "ldap":
        server = Slapd([slapd.group(group.gr_name, group.gr_gid), slapd.person(user.pw_name, user.pw_uid, "Me")])
        yield make_identity(
            IdentityConfig(provider="ldap", ldap=server.config(), on_failure="fail", cache=tmp_path / "cache")
        )
        server.remove()
    else:
        yield files(tmp_path, f"{group.gr_gid}\t{group.gr_name}\t\n", f"{user.pw_uid}\t{user.pw_name}\n")


def files(folder: Path, groups: str, users: str = "") -> TableIdentity:
    (folder / "groups").write_text(groups)
    (folder / "users").write_text(users)
    return read_files(folder / "groups", folder / "users")


def test_known_numbers_and_names_are_found(identity: Identity) -> None:
    group, user = grp.getgrgid(os.getgid()), pwd.getpwuid(os.getuid())
    assert identity.group(group.gr_gid) == Group(group.gr_name, None)
    assert identity.user(user.pw_uid) == user.pw_name
    assert identity.gid_of(group.gr_name) == group.gr_gid
    assert identity.uid_of(user.pw_name) == user.pw_uid


@pytest.mark.parametrize("number", [4123456789, -5, 2**70])
def test_an_unknown_number_is_its_own_name(identity: Identity, number: int) -> None:
    assert identity.group(number) is None
    assert identity.user(number) is None
    assert identity.gid_of("no such name") is None
    assert identity.uid_of("a\0b") is None
    assert Names(identity).group(number) == Group(str(number), None)
    assert Names(identity).user(number) == str(number)


def test_no_two_numbers_share_a_name(tmp_path: Path) -> None:
    identity = files(tmp_path, "5\tsame\tA\n3\tsame\tB\n7\t15001\t\n", "1\tx\n2\tx\n3\t9\n")
    names = Names(identity, (PseudoGroup("/p", -1, "same", None), PseudoGroup("/q", -2, "new", "P")))
    found = [names.group(gid) for gid in (3, 5, 7, 15001, -1, -2)]
    assert found == [
        Group("same", "B"),
        Group("same (5)", "A"),
        Group("15001", None),
        Group("15001 (15001)", None),
        Group("same (-1)", None),
        Group("new", "P"),
    ]
    assert [names.user(uid) for uid in (1, 2, 3, 9)] == ["x", "x (2)", "9", "9 (9)"]


def test_an_invented_name_may_be_taken(tmp_path: Path) -> None:
    names = Names(files(tmp_path, "2\tt\n3\tt\n4\tt (3)\n"))
    assert [names.group(gid).name for gid in (2, 3, 4)] == ["t", "t (3) (3)", "t (3)"]


def test_a_pseudo_group_may_rename_a_real_one(tmp_path: Path) -> None:
    names = Names(files(tmp_path, "5\told\tA\n"), (PseudoGroup("/p", 5, "new", None),))
    assert names.group(5) == Group("new", None)


@pytest.mark.parametrize("line", ["x\ty", "5", "5\t", "5\ta\tb\tc", "٣\tx"])
def test_a_malformed_line_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(IdentityError, match=r"groups:2:"):
        files(tmp_path, f"1\tone\t\n{line}\n")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=50) | st.text("0123\tab\n-").map(str.encode))
def test_any_file_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "groups").write_bytes(content)
    (tmp_path / "users").write_bytes(content)
    try:
        identity = read_files(tmp_path / "groups", tmp_path / "users")
    except IdentityError as error:
        assert str(tmp_path) in error.message
    else:
        assert identity.group(5) is None or identity.group(5)


def test_a_byte_that_is_not_utf8_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw, shown = os.fsdecode(b"caf\xe9"), "caf\\xe9"
    group, user = grp.getgrgid(os.getgid()), pwd.getpwuid(os.getuid())
    odd_group = grp.struct_group((raw, "x", 77, []))
    odd_user = pwd.struct_passwd((raw, "x", 78, 77, "", "/", "/bin/sh"))
    monkeypatch.setattr("grp.getgrgid", lambda gid: odd_group if gid == 77 else group)
    monkeypatch.setattr("grp.getgrnam", lambda name: {raw: odd_group}[name])
    monkeypatch.setattr("pwd.getpwuid", lambda uid: odd_user if uid == 78 else user)
    monkeypatch.setattr("pwd.getpwnam", lambda name: {raw: odd_user}[name])
    names = Names(NssIdentity())
    assert (names.group(77).name, names.user(78)) == (shown, shown)
    (tmp_path / "groups").write_bytes(b"77\tcaf\xe9\tPI \xff\n")
    (tmp_path / "users").write_bytes(b"78\tcaf\xe9\n")
    names = Names(read_files(tmp_path / "groups", tmp_path / "users"))
    assert (names.group(77), names.user(78)) == (Group(shown, "PI \\xff"), shown)


def test_a_pseudo_group_of_a_real_gid_shares_its_name_with_nobody(tmp_path: Path) -> None:
    pseudo = (PseudoGroup("/p", 7, "x", None),)
    names = Names(files(tmp_path, "7\told\t\n8\tx\t\n9\tx\t\n"), pseudo)
    assert [names.group(gid).name for gid in (7, 8, 9)] == ["x (7)", "x", "x (9)"]
    names = Names(files(tmp_path, "7\tx\t\n8\tx\t\n9\tx\t\n"), (PseudoGroup("/p", 7, "new", None),))
    assert [names.group(gid).name for gid in (7, 8, 9)] == ["new", "x", "x (9)"]
    names = Names(files(tmp_path, "7\tx\t\n8\tx\t\n"), pseudo)
    assert [names.group(gid).name for gid in (8, 7)] == ["x", "x (7)"]


class Forgetful(TableIdentity):
    """Names that know no numbers, as where the machine's names cannot be listed."""

    def gid_of(self, name: str, excluded: object = ()) -> int | None:
        return None


@given(
    st.dictionaries(st.integers(0, 9), st.sampled_from(["x", "x (1)", "7", "y" * 300, "y" * 301])),
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["x", "x (1)", "7", "y" * 255])), max_size=3),
    st.booleans(),
)
def test_names_are_distinct_whatever_is_known(
    groups: dict[int, str], pseudo: list[tuple[int, str]], forgetful: bool
) -> None:
    known = {gid: Group(name, None) for gid, name in groups.items()}
    identity = (Forgetful if forgetful else TableIdentity)(known, {})
    names = Names(identity, [PseudoGroup(f"/{gid}", gid, name, None) for gid, name in dict(pseudo).items()])
    found = [names.group(gid).name for gid in range(12)]
    assert len(set(found)) == 12
    assert max(map(len, found)) <= 255
    assert found == [names.group(gid).name for gid in range(12)]


def test_the_user_who_runs_a_job_may_have_a_name_that_is_not_utf8() -> None:
    environment = {**os.environb, b"LOGNAME": b"caf\xe9\x1b[31m"}
    code = "from lurge.store.database.lock import holder; print(holder('report').encode().decode())"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert "of caf\\xe9\\x1b[31m on" in done.stdout, done.stderr
