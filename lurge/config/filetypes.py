"""[filetypes]: the suffixes of each filetype."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, Strict

from lurge.config.fields import Name, written_as
from lurge.model.rules import FileType

log = logging.getLogger(__name__)

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


Suffixes = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Strict(False), Field(min_length=1)]


def from_table(table: Mapping[str, tuple[str, ...]]) -> tuple[FileType, ...]:
    """The filetypes of a table; the built-in filetypes if it is empty."""
    for name, suffixes in table.items():
        for suffix in suffixes:
            if suffix.isalnum():
                log.warning(
                    'filetypes.%s: "%s" also matches names without a dot before it; use ".%s" for the suffix',
                    name,
                    suffix,
                    suffix,
                )
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
