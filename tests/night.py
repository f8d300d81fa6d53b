"""A rehearsal of ten nights at a made-up site, with everything real but the scheduler: `make night`.

    python -m tests.night [RECORDS]

A private MariaDB holds two databases that the older tool made; a private LDAP server has the names; three volumes get a
dump a day. Every night cron.sh submits the job to a bsub that records and runs it. One site runs in peace, alone on
threads. At the other one, with five ranks, a worker is killed one night, the database server in the middle of a
transaction another, and the LDAP server a third. In the end both databases must say the same, and so must all files.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from lurge.config.database import DatabaseConfig
from lurge.parallel.launch import find_mpiexec
from lurge.source.finding import dump_of
from lurge.source.synth.write import World, make_world
from lurge.store.database import Database
from lurge.store.usage.read.check import look_at
from tests.facts import facts
from tests.services import bsub, old_tool
from tests.services.mariadb import MariaDb
from tests.services.slapd import GROUPS, PEOPLE, Slapd, group, person

REPOSITORY = Path(__file__).parent.parent
VOLUMES = ("scratch101", "scratch102", "scratch103")
NIGHTS = 10
WORKER_DIES, SERVER_DIES, NAMES_ARE_GONE = 3, 5, 7
SECONDS_AWAY = 3

CONFIGURATION = """
[dumps]
directory = "../dumps"
volumes = ["scratch101", "scratch102", "scratch103"]
max_days_ago = 20
[database]
url = "{database}"
[identity]
provider = "ldap"
[identity.ldap]
url = "{ldap}"
group_base = "{groups}"
people_base = "{people}"
ca_file = "{ca_file}"
[quota]
providers = ["csv"]
csv_directory = "../quotas"
[batch]
group = "hgi"
ranks = {ranks}
"""


@dataclass
class Site:
    """One of the two sites: its folder, configuration and database."""

    name: str
    folder: Path
    url: str

    @property
    def database(self) -> Database:
        return Database(DatabaseConfig(url=self.url))

    def night(self, sabotage: str = "") -> int:
        """Run cron.sh; returns the exit status of the job that it submitted."""
        lurge = self.folder / "lurge"
        module = "tests.on_mpi.saboteur" if sabotage else "lurge"
        # The scripts ask `lurge plan` first, which nobody sabotages.
        lurge.write_text(
            f'#!/bin/sh\nmodule={module}\n[ "$1" = plan ] && module=lurge\nexec {sys.executable} -m $module "$@"\n'
        )
        lurge.chmod(0o755)
        environment = {
            **os.environ,
            "PATH": f"{self.folder}/bin:{os.environ['PATH']}",
            "PYTHONPATH": str(REPOSITORY),
            "LURGE_CONFIG": str(self.folder / "lurge.toml"),
            "LURGE": str(lurge),
            "MPIRUN": find_mpiexec(),
            "SABOTAGE": sabotage,
            "SABOTAGE_TIME": str(self.folder / "killed"),
        }
        done = subprocess.run(
            [REPOSITORY / "scripts" / "cron.sh"], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return int(bsub.recorded(self.folder / "bin" / "jobs")[-1]["statuses"][0])

    def logs(self) -> str:
        newest = sorted(self.folder.glob("out/logs/*/*.err"), key=lambda path: path.stat().st_mtime)[-1:]
        return "\n".join(path.read_text() for path in newest)


def say(text: str) -> None:
    print(text, flush=True)


def names(world: Path) -> list[tuple[str, dict[str, list[str]]]]:
    """The made-up site's groups, PIs and users as entries of its LDAP server."""
    entries = []
    surnames: dict[str, str] = {}
    for line in (world / "groups.tsv").read_text().splitlines():
        gid, name, surname = line.split("\t")
        if surname and surname not in surnames:
            surnames[surname] = f"pi{len(surnames)}"
            entries.append(person(surnames[surname], None, surname))
        entries.append(group(name, gid, *([f"uid={surnames[surname]},{PEOPLE}"] if surname else [])))
    for line in (world / "users.tsv").read_text().splitlines():
        uid, name = line.split("\t")
        entries.append(person(name, int(uid), "Somebody"))
    return entries  # type: ignore[return-value]


def old_history(database: Database, first: date) -> None:
    """What the older tool stored in the ten days before, and the tags of its last, interrupted run."""
    old_tool.make_tables(database)
    days = [first - timedelta(days=ago) for ago in range(10, 0, -1)]
    usage = [
        (number + 1, 10**9 * (number + 1), 10**12, day, 3, 1, 1 + number % 3, 1, 1 + number % 2)
        for number, day in enumerate(days)
    ]
    with database.writing() as connection:
        old_tool.insert(
            connection,
            {
                old_tool.pi: [(1, "Okafor"), (2, "")],
                old_tool.unix_group: [(1, "cancer"), (2, "malaria"), (3, "cancer")],
                old_tool.volume: [(1, "scratch101"), (2, "scratch102")],
                old_tool.user: [(1, "aa0")],
                old_tool.base_directory: [(1, "/lustre/scratch101/old", 1), (2, "/lustre/scratch102/old", 2)],
                old_tool.lustre_usage: usage,  # type: ignore[dict-item]
                old_tool.directory: [(1, ".hgi.old.x", 5, 1, 3, 1, 1, 1), (2, "y", 5, 1, 3, 2, 3, 2)],
                old_tool.file_size: [(1, 1, 1, 0.5), (2, 2, 2, 0.25)],
                old_tool.user_usage: [(1, days[-1], 1, 3, 1, 5, days[0])],
                old_tool.vault: [(1, days[-1], "/lustre/scratch101/old/f", 3, 1, 5, days[0], 1, 1)],
            },
        )


def kill_server_in_a_transaction(server: MariaDb, database: str) -> None:
    """Hold a table until a swap waits for it in the middle of its transaction, then kill the server; start it later."""
    holder = subprocess.Popen(
        ["mariadb", "--no-defaults", f"--socket={server.socket}", "-uroot", database],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert holder.stdin
    holder.stdin.write("lock tables vault write;\n")
    holder.stdin.flush()
    waiting = f"select count(*) from information_schema.processlist where db = '{database}' and state like 'Waiting%'"
    while server.sql(waiting).strip() == "0":
        time.sleep(0.05)
    server.kill()
    time.sleep(SECONDS_AWAY)
    server.start()
    holder.kill()
    holder.wait()


def publish(world: Path, folder: Path, day: date) -> None:
    """Let the dumps of a day appear where both sites look for them."""
    for path in [*(world / "dumps").iterdir()]:
        named = dump_of(path)
        if named is None or named[1] == day:
            path.rename(folder / path.name)


def main() -> None:
    records = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    newest = datetime.now(UTC).date()
    first = newest - timedelta(days=NIGHTS - 1)
    folder = Path(tempfile.mkdtemp(prefix="lurge-night-"))
    world = folder / "world"
    list(make_world(World(7, VOLUMES, records, ("5.0", "5.2", "6.4"), NIGHTS, newest), world))
    say(f"{len(VOLUMES)} volumes of {records:,} records, {NIGHTS} days, in {folder}")
    (world / "quotas").rename(folder / "quotas")
    (folder / "dumps").mkdir()
    server, directory = MariaDb(), Slapd(names(world))
    try:
        rehearse(folder, world, server, directory, first)
    finally:
        server.remove()
        directory.remove()
    shutil.rmtree(folder)


def rehearse(folder: Path, world: Path, server: MariaDb, directory: Slapd, first: date) -> None:
    sites = []
    for name, ranks in (("peaceful", 1), ("faulty", 5)):
        place = folder / name
        bsub.install(place / "bin")
        url = server.new_database(name)
        ldap = directory.config("ldaps")
        text = CONFIGURATION.format(
            database=url, ldap=ldap.url, groups=GROUPS, people=PEOPLE, ca_file=ldap.ca_file, ranks=ranks
        )
        (place / "lurge.toml").write_text(text)
        sites.append(Site(name, place, url))
        old_history(sites[-1].database, first)
    peaceful, faulty = sites
    for night in range(NIGHTS):
        publish(world, folder / "dumps", first + timedelta(days=night))
        started = time.monotonic()
        assert peaceful.night() == 0, peaceful.logs()
        run_faulty(faulty, night, server, directory)
        say(f"night {night + 1}: {time.monotonic() - started:.1f} s")
    compare(peaceful, faulty)


def run_faulty(site: Site, night: int, server: MariaDb, directory: Slapd) -> None:
    """One night of the site where something happens."""
    if night == WORKER_DIES:
        status = site.night("kill worker middle")
        assert status != 0
        say(f"  a worker was killed: exit status {status}; the job is submitted again")
        assert site.night() == 0, site.logs()
        assert "going on where ticket" in site.logs()
    elif night == SERVER_DIES:
        killer = threading.Thread(target=kill_server_in_a_transaction, args=(server, site.name))
        killer.start()
        assert site.night() == 0, site.logs()
        killer.join()
        assert "trying again" in site.logs()
        say(f"  the database server was killed in a transaction and away for {SECONDS_AWAY} s: the job waited for it")
    elif night == NAMES_ARE_GONE:
        directory.pause()
        (site.folder / "lurge.toml").write_text(
            (site.folder / "lurge.toml").read_text().replace("[identity.ldap]", "[identity.ldap]\ntimeout = 2")
        )
        assert site.night() == 0, site.logs()
        directory.go_on()
        assert "going on with the names of" in site.logs()
        say("  the LDAP server hung: the last names stood in")
    else:
        assert site.night() == 0, site.logs()


def compare(peaceful: Site, faulty: Site) -> None:
    """Both sites must have the same in their databases and files."""
    one, other = facts(peaceful.database), facts(faulty.database)
    rows = sum(len(rows) for tables in one.values() for rows in tables.values())
    for volume in VOLUMES:
        for table, expected in one[volume].items():
            assert other[volume][table] == expected, f"{volume}: {table} differs"
    assert one == other
    assert look_at(faulty.database).problems == []
    files = 0
    for pattern in ("*reports/*", "report-output-files/*", "groups/*/*"):
        names = {path.relative_to(peaceful.folder) for path in peaceful.folder.glob(f"out/{pattern}") if path.is_file()}
        assert names == {
            path.relative_to(faulty.folder) for path in faulty.folder.glob(f"out/{pattern}") if path.is_file()
        }
        for name in names:
            assert (peaceful.folder / name).read_bytes() == (faulty.folder / name).read_bytes(), name
        files += len(names)
    say(f"equal: {rows:,} rows of {len(one)} volumes, {files} files")


if __name__ == "__main__":
    main()
