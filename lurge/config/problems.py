"""Conversion of pydantic's errors to ConfigError: the first mistake in a file, and how to correct it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lurge.config.document import Document, Place, dotted
from lurge.config.elsewhere import ENVIRONMENT, Elsewhere
from lurge.config.schema import Schema
from lurge.errors import ConfigError

NOT_OF_TYPE = {
    "string_type": "a string", "int_type": "a whole number", "float_type": "a number", "bool_type": "true or false",
    "list_type": "a list", "tuple_type": "a list", "dict_type": "a table", "model_type": "a table",
    "finite_number": "a finite number", "string_unicode": "text", "int_from_float": "a whole number",
}  # fmt: skip
SIMILAR, LESS_SIMILAR = 0.6, 0.5
"""Minimum similarity of keys, from 0 to 1 (equal). The lower one is for short keys with two letters swapped."""

BOUNDS = {"greater_than_equal": ("at least", "ge"), "less_than_equal": ("at most", "le")}


def config_error(
    document: Document, model: type[BaseModel], error: ValidationError, elsewhere: Mapping[Place, Elsewhere]
) -> ConfigError:
    """The first mistake in an error. Unknown keys come first, because a mistyped key often means a missing one.

    elsewhere: the values that are not from the file.
    """
    mistakes = error.errors(include_url=False, include_input=False)
    schema = Schema.of(model)

    def order(mistake: ErrorDetails) -> tuple[bool, bool, int]:
        line = document.line_of(place_of(mistake, document))
        return mistake["type"] != "extra_forbidden", line is None, line or 0

    first = min(mistakes, key=order)
    place = place_of(first, document)
    text, advice = explain(first, place, schema)
    outside = elsewhere.get(place)
    if outside and outside.origin == ENVIRONMENT:
        return ConfigError(outside.detail, dotted(place), text, advice or "Correct the variable, or unset it.")
    return document.error(place, text, advice)


def place_of(mistake: ErrorDetails, document: Document) -> Place:
    """The place of a mistake, cut off at the first value that is not a table or list.

    For example, a volume may be a bare name in the file, but is always a table in the model.
    """
    loc = tuple(part for part in mistake["loc"] if part != "[key]") + tuple(mistake.get("ctx", {}).get("at", ()))
    for end in range(1, len(loc)):
        value = document.at(loc[:end])
        if value is not None and not isinstance(value, dict | list):
            return loc[:end]
    return loc


def explain(mistake: ErrorDetails, place: Place, schema: Schema) -> tuple[str, str | None]:
    """The problem in words, and advice; None for the general advice."""
    kind, context = mistake["type"], mistake.get("ctx", {})
    if kind == "extra_forbidden":
        if nearest := nearest_key(place, schema):
            return f"is unknown; did you mean {nearest}?", None
        names = ", ".join(schema.at(place[:-1]).names())
        return f"is unknown; the keys here are {names}" if names else "is unknown", None
    if kind == "missing":
        example = schema.at(place).example
        return "is missing", f"Write for instance {place[-1]} = {example}" if example else None
    if kind in NOT_OF_TYPE:
        return f"must be {NOT_OF_TYPE[kind]}", None
    if kind in BOUNDS:
        words, bound = BOUNDS[kind]
        return f"must be {words} {int(context[bound])}", None
    if kind == "literal_error":
        return f"must be one of {', '.join(schema.at(place).choices)}", None
    if kind in ("too_short", "string_too_short"):
        return "must not be empty", None
    if kind == "value_error":
        return str(context["error"]), None
    return str(context.get("text", mistake["msg"])), context.get("advice")


def nearest_key(place: Place, schema: Schema) -> str:
    """The known key that a mistyped key probably means; empty if there is none.

    First choice: a similar key of the same table. Then: the same key of another table.
    """
    *table, key = place
    names = schema.at(tuple(table)).names()
    similar = [(*table, name) for name in difflib.get_close_matches(str(key), names, cutoff=SIMILAR)]
    same = [candidate for candidate in schema.all_keys() if candidate[-1] == key]
    less_similar = [(*table, name) for name in difflib.get_close_matches(str(key), names, cutoff=LESS_SIMILAR)]
    nearest = [*similar, *(same if len(same) == 1 else ()), *less_similar]
    return dotted(nearest[0]) if nearest else ""


def missing_table(file: Path, model: type[BaseModel], name: str) -> ConfigError:
    """The error for a command that needs a table, with required keys, that the file does not have."""
    table = Schema.of(model).at((name,))
    keys = table.required()
    examples = ", ".join(f"{key} = {table.below(key).example}" for key in keys)
    return ConfigError(
        file,
        f"{name}.{keys[0]}",
        f"is missing; this command needs the table [{name}] with {' and '.join(f'{name}.{key}' for key in keys)}",
        f"Write for instance [{name}] with {examples}",
    )
