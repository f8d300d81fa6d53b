"""The group and directory reports computed with DuckDB, as one side of `benchmarks.report`.

    python -m benchmarks.duck WORLD ANSWERS

Reads the dump of a world that `lurge synth` made, in one process with all cores, and writes its answers to the file
ANSWERS. Needs `pip install duckdb`.

This is the fastest of several queries that were tried. It reads the dump once and sums it by (group, parent directory)
while reading, with filetypes as numbers. Then it looks up base directories and subdirectories once for each directory,
by a hash join on the beginning of the path at every depth that base directories have. Splitting every record's path and
joining every record takes twice the CPU time. Writing the lines into a table first and querying that takes as much time
and four times the memory. So does a table with the filetype in its key.

Paths stay escaped: by the dump, or by the cast from bytes to text. Different paths remain different, and base
directories are escaped in the same way. Only the few rows of the answer are decoded. Two cases are left out, because
synthetic worlds do not have them: a base directory that is a file, and rejected lines.
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

# Sums by parent directory. A directory is its own parent here, because its own size counts for its base directory.
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
    """The SQL of a macro that returns the number of a filetype from the end of a path in lower case.

    The filetypes must exclude each other, as the built-in ones do. Names in .gz are distinguished first.
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
    r"""The bytes of a text from DuckDB's cast of bytes to text, which writes some bytes as \xHH."""
    return re.sub(rb"\\x([0-9A-F]{2})", lambda match: bytes([int(match[1], 16)]), text.encode())


def unescape(text: str, quoted: bool) -> str:
    """A part of a path, in the form that lurge shows."""
    return shown(decode_quoted(b'"' + text.encode() + b'"') if quoted else unescape_cast(text))


def load_bases(connection: duckdb.DuckDBPyConnection, world: World, quoted: bool) -> None:
    """Create a table of the base directories, escaped like the paths."""
    connection.execute("create temp table bases (gid bigint, path varchar, depth bigint)")
    rows = [
        (gid, quote_inside(path).decode() if quoted else path, path.count(b"/")) for gid, path in world.base_directories
    ]
    connection.executemany(f"insert into bases values (?, {'?' if quoted else '?::blob::varchar'}, ?)", rows)  # noqa: S608


def ask(world: World) -> Answers:
    """Compute the answers with DuckDB."""
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
    """True if directories end in a slash, as in newer eras. In such dumps the first line is a directory."""
    line = world.first_lines.partition(b"\n")[0]
    return line.split(b"\t")[0].endswith(b'/"')


def main() -> None:
    folder, file = map(Path, sys.argv[1:])
    file.write_bytes(pickle.dumps(ask(World(folder))))


if __name__ == "__main__":
    main()
