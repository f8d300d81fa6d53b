"""The JSON schema of lurge.toml, for editors and for the documentation."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import BaseModel

DIALECT = "https://json-schema.org/draft/2020-12/schema"
OUR_KEYWORDS = ("x-default",)
"""Keywords for the documentation only. x-default: the default in words, if a value cannot express it."""


@cache
def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    schema: dict[str, Any] = without_null(model.model_json_schema())
    return schema


def published_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The schema for editors, without OUR_KEYWORDS."""
    return {"$schema": DIALECT, "title": "lurge.toml", **without_keywords(json_schema(model), OUR_KEYWORDS)}


def without_null(node: Any) -> Any:
    """Remove titles, which only repeat the keys, and null, which TOML does not have."""
    if isinstance(node, list):
        return [without_null(below) for below in node]
    if not isinstance(node, dict):
        return node
    node = {key: without_null(below) for key, below in node.items() if not is_noise(key, below)}
    choices = [choice for choice in node.get("anyOf", ()) if choice != {"type": "null"}]
    if len(choices) == 1:
        del node["anyOf"]
        return choices[0] | node
    return node


def is_noise(key: str, value: object) -> bool:
    # A key of lurge.toml may also be called `title`. Then its value is a schema, not a string.
    return (key == "title" and isinstance(value, str)) or (key == "default" and value is None)


def without_keywords(node: Any, keywords: tuple[str, ...]) -> Any:
    if isinstance(node, list):
        return [without_keywords(below, keywords) for below in node]
    if isinstance(node, dict):
        return {key: without_keywords(below, keywords) for key, below in node.items() if key not in keywords}
    return node
