"""The JSON schema of lurge.toml, and walking it: the known keys, their types, defaults, meanings and examples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel

from lurge.config.document import Place
from lurge.config.toml import toml_value

DIALECT = "https://json-schema.org/draft/2020-12/schema"
OUR_KEYWORDS = ("x-default",)
"""Keywords for the documentation only: the default in words, if a value would not say it."""


@cache
def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def published_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The schema for editors, without what they have no use for."""
    return {"$schema": DIALECT, **without(json_schema(model), ("title", *OUR_KEYWORDS)), "title": "lurge.toml"}


def without(node: Any, keywords: tuple[str, ...]) -> Any:
    """A schema without some keywords, at every depth."""
    if isinstance(node, list):
        return [without(below, keywords) for below in node]
    if isinstance(node, dict):
        return {key: without(below, keywords) for key, below in node.items() if key not in keywords}
    return node


@dataclass(frozen=True)
class Schema:
    """A node of a schema, the place of one value. node: empty for a value that is not known."""

    definitions: dict[str, Any]
    node: dict[str, Any]

    @classmethod
    def of(cls, model: type[BaseModel]) -> Schema:
        schema = json_schema(model)
        return cls(schema.get("$defs", {}), schema)

    def _resolved(self) -> dict[str, Any]:
        """The node with what it refers to. Of alternatives the last counts that is not null: the fullest."""
        node = self.node
        while "$ref" in node or "anyOf" in node:
            choices = [choice for choice in node.get("anyOf", ()) if choice.get("type") != "null"]
            rest = {key: value for key, value in node.items() if key not in ("$ref", "anyOf")}
            node = {**(choices[-1] if choices else self.definitions[node["$ref"].split("/")[-1]]), **rest}
        return node

    def below(self, part: str | int) -> Schema:
        """The node of a key, or of a list's entries."""
        node = self._resolved()
        if isinstance(part, int):
            found = node.get("items")
        else:
            found = node.get("properties", {}).get(part, node.get("additionalProperties"))
        return Schema(self.definitions, found if isinstance(found, dict) else {})

    def at(self, place: Place) -> Schema:
        schema = self
        for part in place:
            schema = schema.below(part)
        return schema

    def keys(self) -> list[str]:
        """The keys of a table; none if they are free."""
        return list(self._resolved().get("properties", ()))

    def all_keys(self, above: Place = ()) -> Iterator[Place]:
        """Every key of the table and of the tables in it."""
        for key in self.keys():
            yield (*above, key)
            yield from self.below(key).all_keys((*above, key))

    def required(self) -> list[str]:
        return list(self._resolved().get("required", ()))

    @property
    def is_table(self) -> bool:
        return self._resolved().get("type") == "object"

    @property
    def is_list_of_tables(self) -> bool:
        """True for lists that TOML writes as [[...]]; their entries are nothing but tables."""
        items = self._resolved().get("items", {})
        return "anyOf" not in items and self.below(0).is_table

    @property
    def description(self) -> str:
        return " ".join(str(self._resolved().get("description", "")).split())

    @property
    def choices(self) -> list[str]:
        return [str(choice) for choice in self._resolved().get("enum", ())]

    @property
    def has_default(self) -> bool:
        return self._resolved().get("default") is not None

    @property
    def default(self) -> str:
        """The default in words or as TOML; empty if there is none."""
        node = self._resolved()
        if "x-default" in node:
            return str(node["x-default"])
        return f"`{toml_value(node['default'])}`" if self.has_default else ""

    @property
    def example(self) -> str:
        """An example as TOML, else the default; empty if there is neither."""
        node = self._resolved()
        value = node.get("examples", [node.get("default")])[0]
        return "" if value is None else toml_value(value)

    @property
    def has_example(self) -> bool:
        return "examples" in self._resolved()

    @property
    def kind(self) -> str:
        """The type in words, with its bounds."""
        node = self._resolved()
        if self.choices:
            return "one of " + ", ".join(f"`{choice}`" for choice in self.choices)
        if node.get("type") == "array":
            return f"list of {self.below(0).plural}"
        words = "path" if node.get("format") == "path" else NAMES.get(node.get("type", ""), ("", ""))[0]
        low, high = node.get("minimum"), node.get("maximum")
        if low is None or high is None:
            return words
        return f"{words}, at least {low:g}" if high >= UNBOUNDED else f"{words}, {low} to {high}"

    @property
    def plural(self) -> str:
        """The type in words, of many."""
        if self.choices:
            return " and ".join(f"`{choice}`" for choice in self.choices)
        if len(self.node.get("anyOf", ())) > 1:
            return " or ".join(Schema(self.definitions, choice).plural for choice in self.node["anyOf"])
        return NAMES.get(self._resolved().get("type", ""), ("", "values"))[1]


UNBOUNDED = 2**31
NAMES = {
    "string": ("string", "strings"),
    "integer": ("whole number", "whole numbers"),
    "number": ("number", "numbers"),
    "boolean": ("`true` or `false`", "truth values"),
    "object": ("table", "tables"),
}
