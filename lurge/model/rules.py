"""The rules by which a worker reads the lines of a volume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lurge.model.era import Era
from lurge.model.paths import PathAliases, shown, without_trailing_slash


@dataclass(frozen=True)
class FileType:
    """A filetype: its name, and the suffixes of its files, which are matched without regard to case."""

    name: str
    suffixes: tuple[str, ...]


@dataclass(frozen=True)
class PseudoGroup:
    """A group for everything below `path`, regardless of the gid in the records. The path is its base directory."""

    path: str
    gid: int
    name: str
    pi: str | None


@dataclass(frozen=True)
class Rules:
    """Rules for reading and attributing the lines of one dump.

    dump_time: Unix seconds; a later mtime counts as this time. directories: (gid, path) of every base directory, with
    paths as in the .basedirs file.
    """

    era: Era
    dump_time: int
    directories: Sequence[tuple[int, bytes]]
    pseudo_groups: Sequence[PseudoGroup]
    filetypes: Sequence[FileType]
    deep_directories: Sequence[str]
    aliases: PathAliases

    def bases(self) -> tuple[list[str], Mapping[tuple[int, bytes], int]]:
        """The base directories as shown, sorted, and the index of each (gid, raw path) in them.

        Directories of one group that are shown alike are one directory.
        """
        pairs = [(gid, without_trailing_slash(path)) for gid, path in self.directories]
        pairs += [(group.gid, without_trailing_slash(group.path.encode())) for group in self.pseudo_groups]
        names = {pair: shown(self.aliases.apply(pair[1]) or b"/") for pair in pairs}
        distinct = sorted(set(names.values()))
        numbers = {name: number for number, name in enumerate(distinct)}
        return distinct, {pair: numbers[name] for pair, name in names.items()}

    def pseudo_gids(self) -> Mapping[bytes, int]:
        """The gid of each pseudo group, by its path."""
        return {without_trailing_slash(group.path.encode()): group.gid for group in self.pseudo_groups}
