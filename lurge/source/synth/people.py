"""Synthetic groups, users and names."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FIRST_GID, FIRST_UID = 15000, 20000
TOPICS = (
    "cancer", "malaria", "microbiome", "ageing", "rare-disease", "immunity", "pathogen", "tree-of-life", "cellgen",
    "neuro", "diabetes", "cardio", "plasmodium", "zebrafish", "mouse-models", "epigenome", "proteome", "assembly",
)  # fmt: skip
SURNAMES = (
    "Okafor", "Lindqvist", "Moreau", "Tanaka", "Fernandez", "Kowalski", "Nguyen", "Haddad", "Schmidt", "Ó Briain",
    "Rossi", "Petrov", "Singh", "Johansson", "Papadopoulos", "Silva", "Novák", "Adeyemi",
)  # fmt: skip
WORK = (
    "alignments", "variants", "qc", "reference", "assemblies", "counts", "figures", "tmp", "results", "raw", "scripts",
    "logs", "imputation", "release-2", "panel", "wgs", "rnaseq", "atac", "nanopore", "plots",
)  # fmt: skip
ODD_DIRECTORIES = (
    "Ångström results".encode(),
    b'run "42"',
    b"caf\xe9",
    "データ".encode(),
    b"new\nline",
    b"tab\there",
    b"back\\slash",
    b"what?!*",
)
STEMS = (b"sample", b"lane", b"chunk", b"part", b"batch", b"EGAN", b"HG", b"NA", b"run", b"cell")
SUFFIXES = (
    b".bam", b".bam.bai", b".cram", b".cram.crai", b".fastq.gz", b".fq", b".vcf.gz", b".vcf.gz.tbi", b".bed", b".sam",
    b".txt", b".log", b".json", b".R", b".py", b".tsv.gz", b"", b".BAM", b".h5", b".png", b".gvcf.gz", b".ped",
)  # fmt: skip


@dataclass(frozen=True)
class Person:
    uid: int
    name: str | None


@dataclass(frozen=True)
class Team:
    """A group. name, pi: None if it has none. people: its users. unit: the part of the site that it belongs to."""

    gid: int
    name: str | None
    pi: str | None
    people: tuple[Person, ...]
    unit: str


def make_people(random: np.random.Generator, teams: int, people: int) -> tuple[list[Team], list[Person]]:
    """Teams and people. A few of each have no name, and a few teams have no PI."""
    everyone = [Person(FIRST_UID + i, None if i % 29 == 7 else user_name(i)) for i in range(people)]
    all_teams = []
    for i in range(teams):
        members = random.choice(len(everyone), size=min(len(everyone), 3 + int(random.integers(0, 9))), replace=False)
        topic = TOPICS[i % len(TOPICS)]
        name = topic if i < len(TOPICS) else f"{topic}-{i // len(TOPICS) + 1}"
        all_teams.append(
            Team(
                gid=FIRST_GID + i,
                name=None if i % 17 == 11 else name,
                pi=None if i % 7 == 5 else SURNAMES[i % len(SURNAMES)],
                people=tuple(everyone[j] for j in sorted(members.tolist())),
                unit=("humgen", "casm", "pam", "tol")[i % 4],
            )
        )
    return all_teams, everyone


def user_name(number: int) -> str:
    """A user name as many sites assign them: two letters and a number."""
    return f"{chr(97 + number % 26)}{chr(97 + number * 7 % 26)}{number}"
