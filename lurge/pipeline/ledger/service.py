"""The service: events of topics to amounts, each once. Any number of instances share the partitions.

The database says where each partition is, and changes with what was read of it. The broker is told as well, so that its
own tools show the lag, but it is not asked.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lurge.config import Config
from lurge.errors import LedgerError, LurgeError, StoreError, StoreUnavailable
from lurge.pipeline.frame.job import open_job
from lurge.pipeline.frame.outcome import Outcome
from lurge.pipeline.frame.recipe import Recipe
from lurge.pipeline.frame.ticket import ticket_of
from lurge.pipeline.ledger.broker import (
    ANSWER_SECONDS,
    Said,
    is_passing,
    kafka,
    make_consumer,
    make_topics,
    topic_ids,
)
from lurge.pipeline.ledger.database import need_tables, persist
from lurge.pipeline.ledger.metrics import Metrics
from lurge.pipeline.ledger.outcome import counts_as_json, in_words
from lurge.pipeline.ledger.partitions import BatchSize, Key, Partitions, Portion
from lurge.pipeline.ledger.relay import relay, relay_sender
from lurge.pipeline.ledger.rules import rules_of
from lurge.pipeline.ledger.stopping import Stop, Stopped
from lurge.store.database import Database
from lurge.store.ledger import outbox, positions
from lurge.store.ledger.batch import Counts, PositionMoved, apply_messages

if TYPE_CHECKING:
    from confluent_kafka import Consumer, TopicPartition

SERVE = Recipe("ledger_serve", ("serve",))
POLL_SECONDS = 0.2
RELAY_SECONDS = 0.5
TIDY_SECONDS = 60.0
TRIES = 3

log = logging.getLogger(__name__)


class Service:
    """One instance."""

    def __init__(self, config: Config, database: Database, stop: Stop, metrics: Metrics) -> None:
        self.config, self.database, self.stop, self.metrics = config.ledger, database, stop, metrics
        self.rules = rules_of(config.ledger)
        self.sender = relay_sender(config.ledger, stop)
        self.partitions = Partitions()
        self.size = BatchSize(config.ledger.batch_events, config.ledger.batch_seconds)
        self.counts = Counts()
        self.topics = [config.ledger.events_topic, config.ledger.retries_go_to]
        self._relayed = self._tidied = 0.0
        self._said = Said()
        self._is_astray = False

    def run(self) -> None:
        """Apply events until it is asked to stop. Raises LurgeError, Stopped."""
        need_tables(self.database, self.stop)
        make_topics(self.config, self.stop)
        consumer = make_consumer(self.config)
        try:
            consumer.subscribe(self.topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked)
            while True:
                self.stop.check()
                self._step(consumer)
        finally:
            self.metrics.is_ready = False
            # It leaves the group, so that others take over at once.
            consumer.close()

    def _step(self, consumer: Consumer) -> None:
        """Take some messages, and do what is due."""
        for key in self.partitions.due(time.monotonic()):
            self._try(consumer.resume, [self._place(key)])
        portion = Portion()
        try:
            messages = consumer.consume(self.size.now, POLL_SECONDS)
        except kafka().KafkaException as error:
            raise LedgerError(f"{self.config.broker}: {error.args[0].str()}", "Look at [ledger].") from error
        for message in messages:
            if message.error():
                self._error(consumer, message)
            else:
                portion.add(message, self.topics[1], self.config.longest_pause, self.partitions)
        for key, (offset, seconds) in portion.early.items():
            self._seek(consumer, key, offset)
            self._try(consumer.pause, [self._place(key)])
            self.partitions.held[key] = offset, time.monotonic() + seconds
        for key in self.partitions.next:
            _, end = consumer.get_watermark_offsets(self._place(key), cached=True)
            self.partitions.end[key] = max(self.partitions.end.get(key, 0), end)
        if portion.messages:
            self._apply(consumer, portion)
        if self._is_astray:
            self._is_astray = False
            consumer.assign([self._place(*item) for item in self.partitions.next.items()])
        self.metrics.lag(self.partitions.lag)
        self.metrics.lived()
        self._send()

    def _apply(self, consumer: Consumer, portion: Portion) -> None:
        """Apply a portion in one transaction, without partitions that moved: they are read again."""
        began = time.monotonic()
        tries = 0
        while portion.messages:

            def work() -> Counts:
                with self.database.writing() as connection:
                    stretches = portion.stretches(self.partitions)
                    return apply_messages(connection, portion.messages, self.rules, stretches)

            try:
                counts = persist(self.database, work, self.stop)
                break
            except PositionMoved as moved:
                log.info("%s: going on there", moved)
                self._go_to(consumer, (moved.topic, moved.partition), moved.offset)
                portion.without((moved.topic, moved.partition))
            except StoreError as error:
                # An upgrade may just have changed the tables.
                tries += 1
                if tries == TRIES:
                    raise
                log.warning("%s; trying again", error.message)
                self.database.close()
                self.stop.wait(1)
        else:
            return
        seconds = time.monotonic() - began
        self.size.learn(len(portion.messages), seconds)
        self.counts.add(counts)
        self.metrics.batch(counts, seconds, self.size.now)
        self.partitions.next |= portion.after
        if counts.retried or counts.errors:
            self._relayed = 0.0
        try:
            consumer.commit(offsets=[self._place(*item) for item in portion.after.items()], asynchronous=True)
        except kafka().KafkaException as error:
            log.debug("the broker was not told: %s", error)

    def _send(self) -> None:
        """Send the outbox now and then, and tidy it."""
        now = time.monotonic()
        try:
            if now - self._relayed >= RELAY_SECONDS:
                self._relayed = now
                relay(self.database, self.sender, self.config)
            if now - self._tidied >= TIDY_SECONDS:
                self._tidied = now
                with self.database.writing() as connection:
                    outbox.tidy(connection)
        except StoreUnavailable as error:
            self._said.say("%s", error.message)
            self.database.close()

    def _assigned(self, consumer: Consumer, given: list[TopicPartition]) -> None:
        """Begin with the partitions that the group gives us, where the database says."""
        by_topic: dict[str, list[int]] = {}
        for place in given:
            by_topic.setdefault(place.topic, []).append(place.partition)
        try:
            ids = topic_ids(self.config, list(by_topic), self.stop) if by_topic else {}
            for topic, numbers in by_topic.items():

                def claimed(topic: str = topic, numbers: list[int] = numbers) -> tuple[dict[int, int], bool]:
                    with self.database.writing() as connection:
                        return positions.claim(connection, topic, ids[topic], numbers)

                offsets, is_new = persist(self.database, claimed, self.stop)
                if is_new:
                    log.warning("topic %s was made anew: reading it from its beginning", topic)
                self.partitions.next |= {(topic, number): offset for number, offset in offsets.items()}
        except Stopped:
            return
        places = [self._place(key, self.partitions.next[key]) for key in ((one.topic, one.partition) for one in given)]
        consumer.assign(places)
        # A partition that waited when it was taken from us would wait for ever.
        consumer.resume(places)
        self.metrics.is_ready = True
        log.info("reading %d partitions", len(given))

    def _revoked(self, consumer: Consumer, taken: list[TopicPartition]) -> None:
        """End with partitions that another instance gets. Everything that was read of them is applied."""
        self.partitions.drop((place.topic, place.partition) for place in taken)

    def _error(self, consumer: Consumer, message: object) -> None:
        """Deal with an error in place of a message. Raises LedgerError if it lasts."""
        library = kafka()
        error = message.error()  # type: ignore[attr-defined]  # the library has no types
        if error.code() == library.KafkaError._AUTO_OFFSET_RESET:
            self._lost(consumer, (message.topic(), message.partition()))  # type: ignore[attr-defined]
        elif error.fatal() or not is_passing(error):
            raise LedgerError(f"{self.config.broker}: {error.str()}", "Look at [ledger].")
        elif error.code() != library.KafkaError._PARTITION_EOF:
            self._said.say("Kafka: %s", error.str())

    def _lost(self, consumer: Consumer, key: Key) -> None:
        """Go on at the beginning of a partition that does not have the next message any more."""
        if key not in self.partitions.next:
            return
        try:
            first, _ = consumer.get_watermark_offsets(self._place(key), timeout=ANSWER_SECONDS)
        except kafka().KafkaException as error:
            self._said.say("Kafka: %s", error.args[0].str())
            # It is read where it was, and so this comes again.
            self._go_to(consumer, key, self.partitions.next[key])
            return
        offset = self.partitions.next[key]
        if first > offset:
            log.error("%s [%d] begins at message %d: those from %d on are lost", *key, first, offset)
        else:
            log.error("%s [%d] has no message %d: reading it from message %d on", *key, offset, first)

        def skip() -> int:
            with self.database.writing() as connection:
                return positions.skip(connection, *key, offset, first)

        self._go_to(consumer, key, persist(self.database, skip, self.stop))

    def _go_to(self, consumer: Consumer, key: Key, offset: int) -> None:
        """Read a partition from an offset, if it is still ours."""
        if key not in self.partitions.next:
            return
        self.partitions.next[key] = offset
        self._seek(consumer, key, offset)

    def _seek(self, consumer: Consumer, key: Key, offset: int) -> None:
        """Read a partition from an offset. If the library cannot, all partitions are begun anew where they are."""
        try:
            consumer.seek(self._place(key, offset))
        except kafka().KafkaException as error:
            log.debug("%s [%d]: %s", *key, error)
            self._is_astray = True

    def _try(self, change: Callable[[Any], Any], place: Any) -> None:
        """Pause or resume a partition, unless it has just been taken from us."""
        try:
            change(place)
        except kafka().KafkaException as error:
            log.debug("%s: %s", place, error)

    def _place(self, key: Key, offset: int | None = None) -> TopicPartition:
        library = kafka()
        place: TopicPartition = library.TopicPartition(*key) if offset is None else library.TopicPartition(*key, offset)
        return place


def run_service(config: Config, database: Database, stop: Stop, metrics: Metrics) -> Counts:
    """Apply events until it is asked to stop; returns what was done. Raises LurgeError."""
    service = Service(config, database, stop, metrics)
    with open_job(SERVE, ticket_of(config, SERVE)) as job, job.step("serve") as facts:
        job.outcome = Outcome()
        try:
            service.run()
        except Stopped:
            log.info("stopped: %s", in_words(service.counts))
        except LurgeError:
            facts.update(counts_as_json(service.counts))
            raise
        facts.update(counts_as_json(service.counts))
    return service.counts
