"""Imports go one way: what a stage may know beside itself, the model and the shared modules."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

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
    "store": set(),
    "export": {"aggregate"},
    "pipeline": {"kernels", "source", "parallel", "aggregate", "enrich", "store", "export", "tickets"},
    "cli": {"pipeline", "store", "enrich", "export", "source", "parallel", "tickets"},
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


WRITERS = {"adopt", "bulk", "lock", "recover", "repair", "steps", "swap", "upgrade"}
READERS = ("difference", "history", "newest", "overview", "reading")


def test_what_reads_the_database_imports_nothing_that_writes() -> None:
    names = ", ".join(f"lurge.store.{reader}" for reader in READERS)
    code = f"import sys, {names}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {f"lurge.store.{writer}" for writer in WRITERS} & set(loaded)


def test_only_one_module_imports_mpi4py() -> None:
    importers = {path.name for path in ROOT.rglob("*.py") if "mpi4py" in "".join(top_imports(path))}
    assert importers == {"ranks.py"}


def top_imports(path: Path) -> list[str]:
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]


def test_workers_start_without_the_configuration() -> None:
    """They get what they need of it by message; pydantic would make each of them start later."""
    code = "import sys, lurge.cli.main, lurge.parallel.member; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = done.stdout.split("\n")
    assert "lurge.parallel.worker" in modules
    assert [name for name in modules if name.startswith(("pydantic", "lurge.config"))] == []
