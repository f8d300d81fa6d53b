"""Imports go one way: what a stage may know beside itself, the model and the shared modules."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import lurge

ROOT = Path(lurge.__file__).parent
SHARED = {"model", "errors", "fallbacks", "logs", "config", "atomic", "display"}
ALLOWED = {
    "model": set(),
    "config": set(),
    "tickets": set(),
    "kernels": set(),
    "source": {"kernels"},
    "aggregate": {"kernels"},
    "parallel": {"kernels", "source", "aggregate"},
    "enrich": set(),
    "store": {"kernels", "aggregate"},
    "export": {"aggregate"},
    "pipeline": {"kernels", "source", "parallel", "aggregate", "enrich", "store", "export", "tickets"},
    "view": {"store", "enrich", "tickets"},
    "cli": {"view", "pipeline", "store", "enrich", "export", "source", "parallel", "tickets"},
}


def imports_of(path: Path) -> set[str]:
    """The parts of lurge that a module imports, at its top or anywhere else."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("lurge.")}
    return found


def test_a_stage_knows_only_what_it_may() -> None:
    wrong = []
    for path in ROOT.rglob("*.py"):
        stage, *below = path.relative_to(ROOT).parts
        if below:
            wrong += [(str(path), name) for name in imports_of(path) - SHARED - ALLOWED[stage] - {stage}]
    assert wrong == []


def test_only_one_module_imports_mpi4py() -> None:
    importers = {path.name for path in ROOT.rglob("*.py") if "mpi4py" in "".join(top_imports(path))}
    assert importers == {"ranks.py"}


def top_imports(path: Path) -> list[str]:
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]


OPENING = {
    "area",
    "dialect",
    "engine",
    "exact",
    "grants",
    "journal",
    "mysql",
    "named_lock",
    "postgresql",
    "row_text",
    "sqlite",
}
"""Modules of `store/database/` that open a database, of whatever kind."""

DESCRIBING = {"area", "schema", "sums"}
"""Modules of an area that say what its rows are."""

WRITING = {"insert", "update", "delete", "insert_rows", "writing", "stepping", "commit"}


def readers() -> list[Path]:
    return sorted(ROOT.glob("store/*/read/*.py"))


def test_reading_loads_nothing_that_writes() -> None:
    names = [
        ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__") for path in readers()
    ]
    code = f"import sys, {', '.join(names)}\nprint(*(name for name in sys.modules if name.startswith('lurge.store.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {tuple(name.split(".")[2:]) for name in done.stdout.split()}
    assert ("usage", "read", "newest") in loaded
    modules = {name for name in loaded if len(name) > 1 and name[1] != "read"}
    assert {name for name in modules if name[1] not in (OPENING if name[0] == "database" else DESCRIBING)} == set()


def test_reading_calls_nothing_that_writes() -> None:
    calls = [
        (path.name, node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func))
        for path in readers()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    ]
    assert len(calls) > 100
    assert [(name, call) for name, call in calls if call in WRITING] == []


KINDS = {"sqlite", "mysql", "mariadb", "postgresql"}


def test_only_a_dialect_compares_names_of_databases() -> None:
    """Migrations are what they were when they ran."""
    wrong = [
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        if "migrations" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Compare)
        and KINDS & {part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and part.value in KINDS}
    ]
    assert wrong == []


HEAVY = ("pyarrow", "pandas", "sqlalchemy", "pyiceberg", "duckdb", "isal", "fastapi")


@pytest.mark.parametrize(
    ("line", "without"),
    [
        ("--help", HEAVY),
        ("--help report", HEAVY),
        ("report --help", (*HEAVY, "numpy", "pydantic", "lurge.config", "lurge.cli.works")),
        ("--version", (*HEAVY, "numpy", "lurge.cli.report")),
    ],
)
def test_no_command_waits_for_what_only_others_need(line: str, without: Sequence[str]) -> None:
    code = f"""import sys
from typer.main import get_command
from lurge.cli.main import application, wanted
get_command(application(wanted({line.split()})))
print(*(name for name in {without} if name in sys.modules))"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
