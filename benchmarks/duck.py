"""The group and the directory question, answered by DuckDB: a side of `benchmarks.report`.

    python -m benchmarks.duck WORLD ANSWERS

Reads the dump of a world that `lurge synth` made, in one process with all cores, and writes its answers to the file
ANSWERS. Needs `pip install duckdb`.

The fastest of several ways to ask: the dump is read once and summed by (group, parent directory) as it comes, with
filetypes as numbers; base directories and subdirectories are then looked for only once for each directory, with a hash
join on the path's beginning at every depth that base directories have. To split every record's path and join every
record takes twice the time of all cores. To write the lines into a table first and read that takes as much time
and four times the memory, and so does a table with the filetype in its key.

Paths stay as the dump, or the cast from bytes to text, escapes them, which keeps different paths different, and base
directories are escaped likewise; only the few rows of the answer are decoded. Two things that no made-up world has are
left out: a base directory that is a file, and lines to reject.
"""

from __future__ import annotations

import pickle
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import duckdb

from benchmarks.world import Answers, World
from lurge.aggregate.plain import decode_quoted
from lurge.model.era import Encoding
from lurge.model.paths import shown
from lurge.model.rules import FileType
from lurge.source.quote import quote_inside

COLUMNS = {
    "path": "VARCHAR", "size": "BIGINT", "uid": "BIGINT", "gid": "BIGINT", "atime": "BIGINT", "mtime": "BIGINT",
    "ctime": "BIGINT", "type": "VARCHAR", "inode": "UBIGINT", "nlink": "BIGINT", "device": "UBIGINT",
    "apparent": "BIGINT",
}  # fmt: skip
GZIP = ".gz"

# By parent directory, which for a directory is itself: what it uses counts below its own base directory.
SUM_DIRECTORIES = """
create temp table sums as
with records as (
    select gid, mtime, {path} as path, type = 'd' as is_directory, type = 'f' as is_file,
        case when type = 'd' then size else size // nlink end as size
    from read_csv($dump, delim = '\t', quote = '', escape = '', header = false, auto_detect = false,
        columns = {columns})
    where nlink > 0
), placed as (
    select gid, size, least(mtime, $latest) as mtime, is_file,
        case when is_directory then {itself} else parse_dirpath(path, 'forward_slash') end as directory,
        case when is_file then filetype(lower(right(path, {longest}))) end as filetype
    from records
)
select gid, directory, is_file, sum(size) as size, max(mtime) as mtime, count(*) as records, {filetype_sums}
from placed group by gid, directory, is_file
"""

FIND_BASES = """
create temp table places as
with directories as (
    select gid, directory, string_split(directory, '/') as parts from (select distinct gid, directory from sums)
), beginnings as (
    select gid, directory, parts, depth, array_to_string(parts[:depth + 1], '/') as path
    from directories cross join (select distinct depth from bases) where len(parts) > depth
), longest as (
    select gid, directory, any_value(parts) as parts, max_by(bases.path, bases.depth) as base, max(bases.depth) as depth
    from beginnings join bases using (gid, depth, path) group by gid, directory
)
select gid, directory, base, case
    when len(parts) = depth + 1 then '.'
    when list_contains($deep, parts[depth + 2]) and len(parts) > depth + 2
        then parts[depth + 2] || '/' || parts[depth + 3]
    else parts[depth + 2] end as subdirectory
from longest
"""

GROUPS = """
select gid, base, sum(size)::bigint, max(mtime), sum(records)::bigint
from sums join places using (gid, directory) group by gid, base
"""

DIRECTORIES = """
select gid, base, subdirectory, sum(size)::bigint, max(mtime), sum(records)::bigint, {totals}
from sums join places using (gid, directory) where is_file group by gid, base, subdirectory
"""


def filetype_macro(filetypes: Iterable[FileType]) -> str:
    """A macro from the lowered end of a path to the number of its filetype.

    For filetypes that exclude each other, as the built-in ones do; what ends in .gz is told apart first.
    """
    branches: dict[bool, list[str]] = {True: [], False: []}
    for number, filetype in enumerate(filetypes):
        for suffix in filetype.suffixes:
            branches[suffix.endswith(GZIP)].append(f"when ends_with(name, '{suffix}') then {number}")
    return (
        f"create macro filetype(name) as case when ends_with(name, '{GZIP}')"
        f" then case {' '.join(branches[True])} end else case {' '.join(branches[False])} end end"
    )


def unescape_cast(text: str) -> bytes:
    r"""The bytes that DuckDB's cast from bytes to text wrote, some as \xHH."""
    return re.sub(rb"\\x([0-9A-F]{2})", lambda found: bytes([int(found[1], 16)]), text.encode())


def unescape(text: str, quoted: bool) -> str:
    """A part of a path as lurge shows it."""
    return shown(decode_quoted(b'"' + text.encode() + b'"') if quoted else unescape_cast(text))


def load_bases(connection: duckdb.DuckDBPyConnection, world: World, quoted: bool) -> None:
    """A table of the base directories, escaped as the paths are."""
    connection.execute("create temp table bases (gid bigint, path varchar, depth bigint)")
    rows = [
        (gid, quote_inside(path).decode() if quoted else path, path.count(b"/")) for gid, path in world.base_directories
    ]
    connection.executemany(f"insert into bases values (?, {'?' if quoted else '?::blob::varchar'}, ?)", rows)  # noqa: S608


def ask(world: World) -> Answers:
    """DuckDB's answers."""
    quoted = world.era.encoding is Encoding.QUOTED
    filetypes = world.config.filetypes
    columns = dict(list(COLUMNS.items())[: world.era.columns])
    connection = duckdb.connect(config={"preserve_insertion_order": False})
    connection.execute(filetype_macro(filetypes))
    load_bases(connection, world, quoted)
    sizes = [f"type{number}" for number in range(len(filetypes))]
    query = SUM_DIRECTORIES.format(
        path="path[2:-2]" if quoted else "from_base64(path)::varchar",
        itself="parse_dirpath(path, 'forward_slash')" if quoted and ends_in_slash(world) else "path",
        columns=columns,
        longest=max(len(suffix) for filetype in filetypes for suffix in filetype.suffixes),
        filetype_sums=", ".join(
            f"sum(size) filter (filetype = {number}) as {name}" for number, name in enumerate(sizes)
        ),
    )
    connection.execute(query, {"dump": str(world.dump.path), "latest": world.dump.time})
    connection.execute(FIND_BASES, {"deep": list(world.config.reports.deep_directories)})
    totals = ", ".join(f"coalesce(sum({name}), 0)::bigint" for name in sizes)
    groups = connection.execute(GROUPS).fetchall()
    directories = connection.execute(DIRECTORIES.format(totals=totals)).fetchall()
    return world.answers(
        ((gid, unescape(base, quoted), *sums) for gid, base, *sums in groups),
        (
            (gid, unescape(base, quoted), unescape(name, quoted), size, newest, files, tuple(by_type))
            for gid, base, name, size, newest, files, *by_type in directories
        ),
    )


def ends_in_slash(world: World) -> bool:
    """Whether the dump's directories do, as those of newer eras; its first lines are of directories then."""
    line = world.first_lines.partition(b"\n")[0]
    return line.split(b"\t")[0].endswith(b'/"')


def main() -> None:
    folder, file = map(Path, sys.argv[1:])
    file.write_bytes(pickle.dumps(ask(World(folder))))


if __name__ == "__main__":
    main()
