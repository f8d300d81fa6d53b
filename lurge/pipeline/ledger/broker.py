"""Kafka: the settings of its client, topics, and a producer that knows what was delivered."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from lurge.config.ledger import LedgerConfig
from lurge.errors import LedgerError
from lurge.pipeline.ledger.stopping import Stop

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message

ANSWER_SECONDS = 10
BROKERS_OWN = -1
"""The number of copies that the broker is configured to make."""

LOOK_SECONDS = 0.5
SAY_SECONDS = 15.0
QUEUED = 100_000
"""Messages that a producer holds at most, so that memory is bounded."""

AWAY = "%s does not answer: waiting for it"

T = TypeVar("T")
log = logging.getLogger(__name__)


class TooLarge(Exception):  # noqa: N818  what the broker would say later
    """A message is larger than the client or the broker takes."""


class Unsent(Exception):  # noqa: N818  the caller sends again with a new producer
    """The producer cannot go on. What it had is sent again: whoever reads it knows what they have had."""


def client_settings(config: LedgerConfig) -> dict[str, Any]:
    """Return the settings of librdkafka for any client. Raises LedgerError if the broker is not configured."""
    if not config.broker:
        raise LedgerError("no broker is configured", "Set ledger.broker or $KAFKA_BROKER_URL; or `lurge ledger apply`.")
    own: dict[str, Any] = {
        "bootstrap.servers": config.broker,
        "security.protocol": config.security,
        "client.id": "lurge",
        # A broker that is away is said by us, once in a while.
        "log_level": 2,
    }
    files = {"ssl.ca.location": config.ca_file, "ssl.certificate.location": config.certificate_file,
             "ssl.key.location": config.key_file}  # fmt: skip
    own |= {name: str(path) for name, path in files.items() if path}
    if config.security.startswith("sasl"):
        password = config.password.reveal() if config.password else ""
        own |= {"sasl.mechanisms": config.sasl_mechanism, "sasl.username": config.user, "sasl.password": password}
    return {**config.client, **own}


def kafka() -> Any:
    """Import and return the client library. Raises LedgerError if it is missing."""
    try:
        import confluent_kafka
    except ImportError as error:
        raise LedgerError(f"Kafka is needed: {error}", "Install lurge[ledger].") from error
    return confluent_kafka


def make_client(kind: Callable[..., T], settings: Mapping[str, Any]) -> T:
    """Make a client of the library. Raises LedgerError if it does not take the settings."""
    library = kafka()
    try:
        return kind(settings, logger=quiet_log())
    except (library.KafkaException, ValueError, TypeError) as error:
        reason = error.args[0].str() if isinstance(error, library.KafkaException) else error
        raise LedgerError(f"the client of Kafka: {reason}", "Look at [ledger], and at ledger.client.") from error


def make_topics(config: LedgerConfig, stop: Stop) -> None:
    """Make the topics that are missing. While the broker is away, wait. Raises LedgerError, Stopped."""
    library = kafka()
    from confluent_kafka.admin import AdminClient
    from confluent_kafka.cimpl import NewTopic

    client = make_client(AdminClient, client_settings(config))
    wanted = [config.events_topic, config.retries_go_to, config.errors_topic]
    said = Said()
    while True:
        stop.check()
        try:
            there = client.list_topics(timeout=LOOK_SECONDS * 4).topics
            missing = [name for name in wanted if name not in there]
            made = client.create_topics(
                [NewTopic(name, config.partitions, config.replication or BROKERS_OWN) for name in missing],
                request_timeout=ANSWER_SECONDS,
            ) if missing else {}  # fmt: skip
            for name, done in made.items():
                try:
                    done.result()
                    log.info("topic %s was made, with %d partitions", name, config.partitions)
                except library.KafkaException as error:
                    if error.args[0].code() != library.KafkaError.TOPIC_ALREADY_EXISTS:
                        raise
            return
        except library.KafkaException as error:
            if not is_passing(error.args[0]):
                raise LedgerError(f"{config.broker}: {error.args[0].str()}", "Look at [ledger].") from error
            said.say(AWAY, config.broker)
        stop.wait(LOOK_SECONDS)


def is_passing(error: Any) -> bool:
    """Return whether an error of Kafka may be over later."""
    library = kafka()
    lasting = {
        library.KafkaError._AUTHENTICATION, library.KafkaError._SSL, library.KafkaError._INVALID_ARG,
        library.KafkaError.TOPIC_AUTHORIZATION_FAILED, library.KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        library.KafkaError.GROUP_AUTHORIZATION_FAILED, library.KafkaError.INVALID_REPLICATION_FACTOR,
        library.KafkaError.INVALID_PARTITIONS, library.KafkaError.POLICY_VIOLATION,
        library.KafkaError.SASL_AUTHENTICATION_FAILED,
    }  # fmt: skip
    return error.code() not in lasting


def quiet_log() -> logging.Logger:
    """Return the log that takes the client library's own lines."""
    logger = logging.getLogger("lurge.librdkafka")
    logger.setLevel(logging.CRITICAL)
    return logger


class Said:
    """Something that is said once, and again only after a while."""

    def __init__(self) -> None:
        self._at = 0.0

    def say(self, text: str, *arguments: object) -> None:
        """Log a warning, unless the last one is not long ago."""
        now = time.monotonic()
        if not self._at or now - self._at >= SAY_SECONDS:
            log.warning(text, *arguments)
            self._at = now


def topic_ids(config: LedgerConfig, names: Sequence[str], stop: Stop) -> dict[str, str]:
    """Return the broker's id of each topic; an empty text if it tells none, as brokers before Kafka 2.8.

    Raises Stopped.
    """
    library = kafka()
    from confluent_kafka import TopicCollection
    from confluent_kafka.admin import AdminClient

    client = make_client(AdminClient, client_settings(config))
    said = Said()
    while True:
        asked = client.describe_topics(TopicCollection(list(names)), request_timeout=ANSWER_SECONDS)
        try:
            return {name: str(done.result(ANSWER_SECONDS).topic_id or "") for name, done in asked.items()}
        except (library.KafkaException, TimeoutError) as error:
            code = error.args[0].code() if isinstance(error, library.KafkaException) else None
            if code in (library.KafkaError._UNSUPPORTED_FEATURE, library.KafkaError.UNSUPPORTED_VERSION):
                return dict.fromkeys(names, "")
            said.say("the topics are not known yet: %s", error)
        stop.wait(LOOK_SECONDS)


def make_consumer(config: LedgerConfig) -> Consumer:
    """Make a consumer that commits nothing by itself. Raises LedgerError."""
    settings = {
        # Memory is bounded by what is fetched ahead of each partition.
        "queued.max.messages.kbytes": 4096,
        "fetch.queue.backoff.ms": 50,
        **client_settings(config),
        "group.id": config.group,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "error",
        # Aborted transactions of other producers never happened.
        "isolation.level": "read_committed",
    }
    consumer: Consumer = make_client(kafka().Consumer, settings)
    return consumer


class Sender:
    """An idempotent producer. It waits while the broker is away, and says so.

    Use `put` many times, then `flush`. in_order: if the broker refuses a message, none behind it is sent. longest:
    seconds to wait for the broker; None for as long as it takes.
    """

    def __init__(self, config: LedgerConfig, stop: Stop, in_order: bool, longest: float | None = None) -> None:
        self._config, self._stop, self._in_order, self._longest = config, stop, in_order, longest
        self._producer: Any = None
        self._refused: list[tuple[Any, Message]] = []
        self._fatal: Any = None

    def put(self, topic: str, key: bytes | str, value: bytes, headers: Iterable[tuple[str, bytes]]) -> None:
        """Give a message to the producer. Raises TooLarge, Unsent, Stopped, LedgerError."""
        if self._producer is None:
            self._producer = self._make()
        while True:
            try:
                self._producer.produce(topic, value, key, headers=headers, on_delivery=self._delivered)
                return
            except BufferError:
                self._wait(len(self._producer) - 1)
            except kafka().KafkaException as error:
                if error.args[0].code() == kafka().KafkaError.MSG_SIZE_TOO_LARGE:
                    raise TooLarge(error.args[0].str()) from error
                raise self._lost(error.args[0]) from error

    def flush(self) -> list[tuple[Any, Message]]:
        """Wait until everything is delivered; returns what the broker refused. Raises Unsent, Stopped, LedgerError."""
        if self._producer is not None:
            self._wait(0)
        refused, self._refused = self._refused, []
        return refused

    def _wait(self, allowed: int) -> None:
        """Wait until at most so many messages are left."""
        said = Said()
        began = time.monotonic()
        while (left := self._flush()) > allowed:
            if self._stop.is_wanted:
                self._drop()
                self._stop.check()
            if self._longest is not None and time.monotonic() - began > self._longest:
                self._drop()
                raise Unsent(AWAY % self._config.broker)
            if time.monotonic() - began > LOOK_SECONDS * 4:
                said.say(f"{AWAY}; %d messages are to be sent", self._config.broker, left)

    def _flush(self) -> int:
        """Wait a moment; returns the number of messages that are left."""
        try:
            left = int(self._producer.flush(LOOK_SECONDS))
        except kafka().KafkaException as error:
            # The library raises what it calls fatal.
            raise self._lost(error.args[0]) from error
        if self._fatal is not None:
            raise self._lost(self._fatal)
        return left

    def _make(self) -> Any:
        settings = {
            "compression.type": "zstd",
            "linger.ms": 5,
            "queue.buffering.max.kbytes": 65536,
            **client_settings(self._config),
            "enable.idempotence": True,
            "enable.gapless.guarantee": self._in_order,
            # It waits as long as the broker is away.
            "message.timeout.ms": 0,
            "delivery.report.only.error": True,
            "queue.buffering.max.messages": QUEUED,
            "error_cb": self._failed,
        }
        return make_client(kafka().Producer, settings)

    def _delivered(self, error: Any, message: Message) -> None:
        if error is not None:
            self._refused.append((error, message))

    def _failed(self, error: Any) -> None:
        if not is_passing(error):
            self._fatal = error

    def _lost(self, error: Any) -> Exception:
        """Let go of the producer, and return the error to raise."""
        self._drop()
        if is_passing(error):
            return Unsent(error.str())
        return LedgerError(f"{self._config.broker}: {error.str()}", "Look at [ledger].")

    def _drop(self) -> None:
        self._producer.purge()
        self._producer, self._fatal, self._refused = None, None, []
