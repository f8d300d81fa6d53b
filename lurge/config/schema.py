"""Access to the schema of lurge.toml: the known keys with their types, defaults, meanings and examples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from lurge.config.document import Place
from lurge.config.json_schema import json_schema
from lurge.config.toml import toml_value

UNBOUNDED = 2**31
NAMES = {
    "string": ("string", "strings"),
    "integer": ("whole number", "whole numbers"),
    "number": ("number", "numbers"),
    "boolean": ("`true` or `false`", "truth values"),
    "object": ("table", "tables"),
}


@dataclass(frozen=True)
class Schema:
    """A node of a schema, which describes one value. node: empty for an unknown value."""

    definitions: dict[str, Any]
    node: dict[str, Any]

    @classmethod
    def of(cls, model: type[BaseModel]) -> Schema:
        schema = json_schema(model)
        return cls(schema.get("$defs", {}), schema)

    def _resolved(self) -> dict[str, Any]:
        """The node with its references resolved. Of several alternatives the last, the most complete, counts."""
        node = self.node
        while "$ref" in node or "anyOf" in node:
            choices = node.get("anyOf")
            rest = {key: value for key, value in node.items() if key not in ("$ref", "anyOf")}
            node = {**(choices[-1] if choices else self.definitions[node["$ref"].split("/")[-1]]), **rest}
        return node

    def below(self, part: str | int) -> Schema:
        """The node of a key, or of a list's entries."""
        node = self._resolved()
        if isinstance(part, int):
            below = node.get("items")
        else:
            below = node.get("properties", {}).get(part, node.get("additionalProperties"))
        return Schema(self.definitions, below if isinstance(below, dict) else {})

    def at(self, place: Place) -> Schema:
        schema = self
        for part in place:
            schema = schema.below(part)
        return schema

    def names(self) -> list[str]:
        """The keys of a table; an empty list if any key is allowed."""
        return list(self._resolved().get("properties", ()))

    def all_keys(self, above: Place = ()) -> Iterator[Place]:
        """The places of all keys of the table and of the tables in it."""
        for key in self.names():
            yield (*above, key)
            yield from self.below(key).all_keys((*above, key))

    def required(self) -> list[str]:
        return list(self._resolved().get("required", ()))

    @property
    def is_table(self) -> bool:
        return self._resolved().get("type") == "object"

    @property
    def is_list_of_tables(self) -> bool:
        """True for lists that are written as [[...]] in TOML: all of their entries are tables."""
        items = self._resolved().get("items", {})
        return "anyOf" not in items and self.below(0).is_table

    @property
    def description(self) -> str:
        return " ".join(str(self._resolved().get("description", "")).split())

    @property
    def choices(self) -> list[str]:
        return [str(choice) for choice in self._resolved().get("enum", ())]

    @property
    def default(self) -> str:
        """The default in words or in TOML; empty for keys without a default."""
        node = self._resolved()
        return self.default_in_words or (f"`{toml_value(node['default'])}`" if "default" in node else "")

    @property
    def default_in_words(self) -> str:
        return str(self._resolved().get("x-default", ""))

    @property
    def example(self) -> str:
        """An example in TOML, else the default; empty if there is neither."""
        node = self._resolved()
        value = node.get("examples", [node.get("default")])[0]
        return "" if value is None else toml_value(value)

    @property
    def example_table(self) -> dict[str, Any]:
        """Example keys and values of a table that allows any key."""
        return dict(self._resolved().get("examples", [{}])[0])

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
        if low is None or high is None or low < -UNBOUNDED:
            return words
        return f"{words}, at least {low:g}" if high >= UNBOUNDED else f"{words}, {low} to {high}"

    @property
    def plural(self) -> str:
        """The type in words, in the plural."""
        if self.choices:
            return " and ".join(f"`{choice}`" for choice in self.choices)
        if len(self.node.get("anyOf", ())) > 1:
            return " or ".join(Schema(self.definitions, choice).plural for choice in self.node["anyOf"])
        return NAMES.get(self._resolved().get("type", ""), ("", "values"))[1]
