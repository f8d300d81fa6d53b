"""A private LDAP server: own folder, loopback ports, no root; 1000 entries at most to whoever does not page."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lurge.config.identity import LdapConfig
from lurge.config.secret import Secret
from tests.processes import hang
from tests.services import free_port, need

ROOT = "dc=example,dc=org"
GROUPS, PEOPLE = f"ou=group,{ROOT}", f"ou=people,{ROOT}"
BIND_DN, PASSWORD = f"cn=reader,{ROOT}", "n0t secret: ü"
SECONDS_TO_START = 60

CONFIGURATION = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
attributetype ( 1.3.6.1.4.1.4203.666.1.1 NAME 'sangerProjectPI' EQUALITY distinguishedNameMatch
  SYNTAX 1.3.6.1.4.1.1466.115.121.1.12 )
objectclass ( 1.3.6.1.4.1.4203.666.2.1 NAME 'sangerProject' SUP top AUXILIARY MAY sangerProjectPI )
pidfile {folder}/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCACertificateFile {folder}/ca.pem
TLSCertificateFile {folder}/cert.pem
TLSCertificateKeyFile {folder}/key.pem
database mdb
suffix "{root}"
rootdn "cn=admin,{root}"
directory {folder}/data
{access}
limits * size.soft=1000 size.hard=1000 size.pr=500 size.prtotal=unlimited
"""

Entry = tuple[str, Mapping[str, Sequence[str]]]


def missing() -> str | None:
    """Why no server can be started here; None where one can."""
    if not shutil.which("slapd", path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
        return "slapd is not installed (Debian: slapd)"
    if importlib.util.find_spec("ldap3") is None:
        return "ldap3 is not installed (lurge[ldap])"
    return None


def group(name: str, gid: int | str, *pis: str, names: Sequence[str] = ()) -> Entry:
    """A group, its PIs as DNs."""
    attributes = {"objectClass": ["posixGroup", "sangerProject"], "cn": [name, *names], "gidNumber": [str(gid)]}
    return f"cn={name},{GROUPS}", {**attributes, "sangerProjectPI": list(pis)}


def person(uid: str, number: int | None, *surnames: str) -> Entry:
    """A person, with an account where there is a number."""
    classes = ["inetOrgPerson", *(["posixAccount"] if number is not None else [])]
    attributes: dict[str, Sequence[str]] = {"objectClass": classes, "uid": [uid], "cn": [uid], "sn": list(surnames)}
    if number is not None:
        attributes |= {"uidNumber": [str(number)], "gidNumber": ["1"], "homeDirectory": ["/"]}
    return f"uid={uid},{PEOPLE}", attributes


def ldif(entries: Iterable[Entry]) -> str:
    lines = []
    for dn, attributes in entries:
        lines.append(f"dn: {dn}")
        lines += [f"{name}: {value}" for name, values in attributes.items() for value in values]
        lines.append("")
    return "\n".join(lines)


class Slapd:
    """One server with some entries. anonymous: whether everybody may read."""

    def __init__(self, entries: Iterable[Entry], anonymous: bool = True) -> None:
        need(missing())
        os.environ["PATH"] += ":/usr/sbin:/sbin"
        self.folder = Path(tempfile.mkdtemp(prefix="lurge-ldap-"))
        (self.folder / "data").mkdir()
        self._make_certificates()
        readers = "by * read" if anonymous else f'by dn.exact="{BIND_DN}" read by anonymous auth by * none'
        (self.folder / "slapd.conf").write_text(
            CONFIGURATION.format(folder=self.folder, root=ROOT, access=f"access to * {readers}")
        )
        base: list[Entry] = [
            (ROOT, {"objectClass": ["dcObject", "organization"], "o": ["example"], "dc": ["example"]}),
            (GROUPS, {"objectClass": ["organizationalUnit"], "ou": ["group"]}),
            (PEOPLE, {"objectClass": ["organizationalUnit"], "ou": ["people"]}),
            (BIND_DN, {"objectClass": ["person"], "cn": ["reader"], "sn": ["reader"], "userPassword": [PASSWORD]}),
        ]
        data = self.folder / "data.ldif"
        data.write_text(ldif([*base, *entries]), encoding="utf-8")
        command = ["slapadd", "-q", "-f", str(self.folder / "slapd.conf"), "-l", str(data)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        self.port, self.tls_port = free_port(), free_port()
        self.start()

    def start(self) -> None:
        """Start the server, also after `kill`."""
        self._process = subprocess.Popen(
            [
                "slapd", "-d", "0", "-f", str(self.folder / "slapd.conf"),
                "-h", f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port}",
            ],
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        ends = time.monotonic() + SECONDS_TO_START
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.tls_port), 1).close()
                break
            except OSError:
                assert time.monotonic() < ends
                assert self._process.poll() is None
                time.sleep(0.02)

    def _make_certificates(self) -> None:
        """An authority, and a certificate of it for 127.0.0.1."""
        own = ["-keyout", f"{self.folder}/ca.key", "-out", f"{self.folder}/ca.pem", "-subj", "/CN=Test CA"]
        self._openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *own)
        asked = ["-keyout", f"{self.folder}/key.pem", "-out", f"{self.folder}/asked", "-subj", "/CN=127.0.0.1"]
        self._openssl("req", "-newkey", "rsa:2048", "-nodes", *asked)
        (self.folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:127.0.0.1\n")
        signed = ["-in", f"{self.folder}/asked", "-out", f"{self.folder}/cert.pem", "-extfile", f"{self.folder}/names"]
        by = ["-CA", f"{self.folder}/ca.pem", "-CAkey", f"{self.folder}/ca.key", "-CAcreateserial", "-days", "2"]
        self._openssl("x509", "-req", *signed, *by)

    @staticmethod
    def _openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)

    def config(self, tls: str = "", bound: bool = False, trusted: bool = True, **more: object) -> LdapConfig:
        """How to reach it. tls: ldaps, starttls or nothing."""
        port, scheme = (self.tls_port, "ldaps") if tls == "ldaps" else (self.port, "ldap")
        return LdapConfig(
            url=f"{scheme}://127.0.0.1:{port}",
            group_base=GROUPS,
            people_base=PEOPLE,
            bind_dn=BIND_DN if bound else "",
            password=Secret(PASSWORD) if bound else None,
            start_tls=tls == "starttls",
            ca_file=self.folder / "ca.pem" if trusted else None,
            **more,  # type: ignore[arg-type]
        )

    def pause(self) -> None:
        """Let it hang."""
        hang(self._process.pid)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
