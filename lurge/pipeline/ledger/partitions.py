"""The partitions that a service reads, and where each is."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lurge.model.event import Message, Place
from lurge.source.events.messages import parse_headers, parse_message
from lurge.store.ledger.batch import Stretch

if TYPE_CHECKING:
    from confluent_kafka import Message as KafkaMessage

Key = tuple[str, int]
"""A topic and a partition."""


@dataclass
class Partitions:
    """The positions of the partitions that this instance has, as it last stored them.

    held: partitions of retries that wait because their next event is not due: its offset, and the monotonic time until
    which they wait. waited: the offsets of those that have waited.
    """

    next: dict[Key, int] = field(default_factory=dict)
    end: dict[Key, int] = field(default_factory=dict)
    held: dict[Key, tuple[int, float]] = field(default_factory=dict)
    waited: dict[Key, int] = field(default_factory=dict)

    @property
    def lag(self) -> dict[Key, int]:
        """The messages of each partition that are not read yet, as far as the broker has told."""
        return {key: max(0, self.end.get(key, 0) - offset) for key, offset in self.next.items()}

    def drop(self, keys: Iterable[Key]) -> None:
        """Forget partitions that another instance has now."""
        for key in keys:
            for known in (self.next, self.end, self.held, self.waited):
                known.pop(key, None)

    def due(self, now: float) -> list[Key]:
        """Return the partitions whose next event has become due."""
        ready = [key for key, (_, until) in self.held.items() if until <= now]
        for key in ready:
            self.waited[key], _ = self.held.pop(key)
        return ready


@dataclass
class Portion:
    """Messages of some partitions, in the order of each, and where each partition is after them.

    early: partitions whose next message is not due, with its offset and the seconds until then.
    """

    messages: list[Message] = field(default_factory=list)
    after: dict[Key, int] = field(default_factory=dict)
    early: dict[Key, tuple[int, float]] = field(default_factory=dict)

    def add(self, message: KafkaMessage, retry_topic: str, longest_pause: float, partitions: Partitions) -> None:
        """Add a message, unless its partition waits, or is another instance's now."""
        key = str(message.topic()), int(message.partition() or 0)
        offset = int(message.offset() or 0)
        if key not in partitions.next or key in self.early or offset < partitions.next[key]:
            return
        headers = parse_headers(headers_of(message))
        if key[0] == retry_topic and partitions.waited.get(key) != offset:
            seconds = pause_left(headers.not_before, message.timestamp()[1] / 1000, longest_pause)
            if seconds > 0:
                self.early[key] = offset, seconds
                return
        value = message.value()
        place = Place(key[0], key[1], offset, headers.file, headers.line)
        self.messages.append(Message(place, parse_message(value), value or b"", headers.attempt, headers.token))
        self.after[key] = offset + 1

    def stretches(self, partitions: Partitions) -> list[Stretch]:
        """Return the stretch of each partition."""
        return [
            Stretch(*key, partitions.next[key], after, max(after, partitions.end.get(key, 0)))
            for key, after in self.after.items()
        ]

    def without(self, key: Key) -> None:
        """Leave a partition out."""
        self.messages = [message for message in self.messages if (message.place.topic, message.place.partition) != key]
        self.after.pop(key, None)


def headers_of(message: KafkaMessage) -> Any:
    """Return the headers of a message; None if the library cannot decode their names."""
    try:
        return message.headers()
    except (SystemError, UnicodeDecodeError):
        return None


def pause_left(not_before: float, sent: float, longest: float) -> float:
    """Return the seconds until a message is due. not_before, sent: Unix times by the sender's clock."""
    pause = min(not_before - sent, longest)
    return pause - max(0.0, time.time() - sent)


class BatchSize:
    """The size of batches, so that a transaction takes about the wanted time."""

    SMALLEST = 100

    def __init__(self, largest: int, seconds: float) -> None:
        self._largest, self._seconds = largest, seconds
        self.now = min(largest, 1000)

    def learn(self, events: int, seconds: float) -> None:
        """Learn from a batch: halve the size if it took too long, raise it if it was full and quick."""
        if seconds > self._seconds:
            self.now = max(min(self.SMALLEST, self._largest), self.now // 2)
        elif events >= self.now and seconds < self._seconds / 2:
            self.now = min(self._largest, self.now * 2)
