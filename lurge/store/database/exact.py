"""Comparison of texts by their bytes, independent of the collation of their columns."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class Exact(FunctionElement[str]):
    """A form of a text. Two such forms are equal only if both texts have the same bytes."""

    name = "exact"
    type = sa.String()
    inherit_cache = True


@compiles(Exact)
def by_hexadecimal(element: Exact, compiler: Any, **options: Any) -> str:
    return f"hex({compiler.process(element.clauses, **options)})"


@compiles(Exact, "postgresql")
def by_collation(element: Exact, compiler: Any, **options: Any) -> str:
    return f'({compiler.process(element.clauses, **options)} COLLATE "C")'
