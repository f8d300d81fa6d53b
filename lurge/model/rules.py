"""What a worker must know of a volume before it reads the first line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lurge.model.era import Era
from lurge.model.paths import PathAliases, shown, without_trailing_slash


@dataclass(frozen=True)
class FileType:
    """A name and the suffixes that make a file one of its type, matched without regard to case."""

    name: str
    suffixes: tuple[str, ...]


@dataclass(frozen=True)
class PseudoGroup:
    """Everything below `path` counts for this group, whatever its gid; the path is its base directory."""

    path: str
    gid: int
    name: str
    pi: str | None


@dataclass(frozen=True)
class Rules:
    """How lines of one dump are read and to what they are attributed.

    dump_time: Unix seconds, the latest mtime that counts. directories: (gid, path) of every base directory, raw.
    """

    era: Era
    dump_time: int
    directories: Sequence[tuple[int, bytes]]
    pseudo_groups: Sequence[PseudoGroup]
    filetypes: Sequence[FileType]
    deep_directories: Sequence[str]
    aliases: PathAliases

    def bases(self) -> tuple[list[str], Mapping[tuple[int, bytes], int]]:
        """The base directories as shown, and which of them each (gid, raw path) is.

        Directories of one group that are shown alike are one.
        """
        pairs = [(gid, without_trailing_slash(path)) for gid, path in self.directories]
        pairs += [(group.gid, without_trailing_slash(group.path.encode())) for group in self.pseudo_groups]
        names = {pair: shown(self.aliases.apply(pair[1]) or b"/") for pair in pairs}
        distinct = sorted(set(names.values()))
        numbers = {name: number for number, name in enumerate(distinct)}
        return distinct, {pair: numbers[name] for pair, name in names.items()}

    def pseudo_gids(self) -> Mapping[bytes, int]:
        """The gid that stands for everything below each pseudo group's path."""
        return {without_trailing_slash(group.path.encode()): group.gid for group in self.pseudo_groups}
