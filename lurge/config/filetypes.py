"""[filetypes]: which suffixes make a file one of a type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field, Strict

from lurge.config.fields import Name, written_as
from lurge.model.rules import FileType

BUILT_IN_FILETYPES = (
    FileType("SAM", (".sam", ".sam.gz")),
    FileType("BAM", (".bam",)),
    FileType("CRAM", (".cram", ".cram.gz")),
    FileType("FASTQ", (".fastq", ".fq")),
    FileType("FASTQ (gzip)", (".fastq.gz", ".fq.gz")),
    FileType("VCF", (".vcf", ".bcf", ".gvcf")),
    FileType("VCF (gzip)", (".vcf.gz", ".bcf.gz", ".gvcf.gz")),
    FileType("PEDBED", (".ped", ".bed", ".ped.gz", ".bed.gz")),
)


def suffix(text: str) -> str:
    """`text`, if it begins with a dot and more follows."""
    if not text.strip(". "):
        raise ValueError(f'{text!r} is not a suffix; write for instance ".bam"')
    if not text.startswith("."):
        raise ValueError(f'{text!r} must begin with a dot: ".{text}"')
    return text


Suffixes = Annotated[tuple[Annotated[str, AfterValidator(suffix)], ...], Strict(False), Field(min_length=1)]


def from_table(table: Mapping[str, tuple[str, ...]]) -> tuple[FileType, ...]:
    """The filetypes of a table; those that are built in if it is empty."""
    return tuple(FileType(name, suffixes) for name, suffixes in table.items()) or BUILT_IN_FILETYPES


Filetypes = Annotated[
    tuple[FileType, ...],
    written_as(
        tuple,
        dict[Name, Suffixes],
        from_table,
        lambda types: {filetype.name: list(filetype.suffixes) for filetype in types},
    ),
]
