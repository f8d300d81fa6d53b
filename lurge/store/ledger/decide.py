"""The fate of an event, given the journal and the amounts. It is pure, so that a test can compare it with a model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lurge.model.event import LARGEST, ErrorKind, Event, EventType

Item = tuple[int, int]
"""A store and an item."""


class Fate(StrEnum):
    """The fate of a valid event."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"


@dataclass
class Amounts:
    """The journal and the amounts, as far as some events need them. They change with each event that is applied.

    journal: the events that were applied, by their ids. amounts: those of the items that exist.
    """

    journal: dict[str, Event] = field(default_factory=dict)
    amounts: dict[Item, int] = field(default_factory=dict)
    before: Mapping[Item, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.before = dict(self.amounts)

    def decide(self, event: Event) -> Fate | ErrorKind:
        """Apply an event if it can be, and return its fate; an ErrorKind if it is neither applied nor known."""
        known = self.journal.get(event.transaction_id)
        if known is not None:
            return Fate.DUPLICATE if known == event else ErrorKind.CONFLICT
        item = event.store, event.item
        amount = self.amounts.get(item)
        if event.event_type == EventType.INCOMING:
            after = (amount or 0) + event.value
            if after > LARGEST:
                return ErrorKind.OVERFLOW
        elif amount is None:
            return ErrorKind.UNKNOWN_ITEM
        else:
            after = amount - event.value
            if after < 0:
                return ErrorKind.BEYOND_AMOUNT
        self.amounts[item] = after
        self.journal[event.transaction_id] = event
        return Fate.APPLIED

    def changed(self) -> dict[Item, int]:
        """Return the amounts that differ from those at the beginning."""
        return {item: amount for item, amount in self.amounts.items() if self.before.get(item) != amount}

    def reason(self, event: Event, kind: ErrorKind) -> str:
        """Return why an event is not applied, in words."""
        name = f"item {event.item} of store {event.store}"
        amount = self.amounts.get((event.store, event.item), 0)
        return {
            ErrorKind.CONFLICT: f"transaction {event.transaction_id} was applied with another content",
            ErrorKind.UNKNOWN_ITEM: f"{name} is unknown",
            ErrorKind.BEYOND_AMOUNT: f"{name} has {amount}, less than {event.value}",
            ErrorKind.OVERFLOW: f"{name} has {amount}: {event.value} more would exceed {LARGEST}",
        }[kind]
