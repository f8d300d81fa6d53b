"""[ledger]: events over Kafka, the amounts that they change, and alerts."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from lurge.config.database import DatabaseConfig
from lurge.config.document import Document, Place
from lurge.config.elsewhere import ENVIRONMENT, Elsewhere, PasswordVariable, TextVariable
from lurge.config.fields import ExistingFile, Name, RelativePath, Share, Strings, Text, Whole
from lurge.config.secret import Password, Secret
from lurge.config.section import Section, problem
from lurge.config.url import web_address

OWN_SETTINGS = (
    "bootstrap.servers", "metadata.broker.list", "group.id", "message.timeout.ms", "delivery.timeout.ms",
    "delivery.report.only.error", "queue.buffering.max.messages",
    "partition.assignment.strategy", "group.protocol", "partitioner", "enable.gapless.guarantee",
    "enable.auto.commit", "enable.auto.offset.store", "enable.idempotence",
    "auto.offset.reset", "security.protocol", "ssl.ca.location", "ssl.certificate.location", "ssl.key.location",
    "sasl.mechanism", "sasl.mechanisms", "sasl.username", "isolation.level", "transactional.id",
)  # fmt: skip
"""Settings of the client that other keys set, or that exact counts depend on."""

RAN_OUT = "ran out"
TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")


def topic_name(name: str) -> str:
    """`name`, after a check that Kafka takes it for a topic."""
    if not TOPIC.fullmatch(name):
        raise ValueError("must have 1 to 249 letters, digits, dots, underscores and hyphens")
    return name


def brokers(addresses: str) -> str:
    """`addresses`, after a check that they have no scheme, which Kafka would wait for in vain."""
    if "/" in addresses:
        raise ValueError("must be HOST:PORT, or several with commas, without http:// or the like")
    return addresses


Topic = Annotated[str, AfterValidator(topic_name)]
Setting = str | int | float | bool


@dataclass(frozen=True)
class PostgresVariables:
    """A marker for a database that the variables of the older program name, if POSTGRES_HOSTNAME is set."""

    def look(self, document: Document, place: Place) -> Elsewhere | None:
        """The database that the variables name, or None."""
        host = os.environ.get("POSTGRES_HOSTNAME")
        if not host:
            return None
        user, name = os.environ.get("POSTGRES_USER", "postgres"), os.environ.get("POSTGRES_DB")
        name = name or user
        is_folder = host.startswith("/")
        server = f"postgresql+psycopg://{quote(user, safe='')}@{'' if is_folder else host}/{quote(name, safe='')}"
        value: dict[str, Any] = {"url": f"{server}?host={quote(host, safe='')}" if is_folder else server}
        if "POSTGRES_PASSWORD" in os.environ:
            value["password"] = Secret(os.environ["POSTGRES_PASSWORD"])
        return Elsewhere(value, ENVIRONMENT, "$POSTGRES_HOSTNAME")


class LedgerDatabase(DatabaseConfig):
    """A database of the ledger's own, with `$LURGE_LEDGER_PASSWORD`. Without this table it is in `[database]`."""

    password: Annotated[Password, PasswordVariable("LURGE_LEDGER_PASSWORD")] = None
    password_file: RelativePath | None = Field(
        None,
        description="A file that holds the password, used if `$LURGE_LEDGER_PASSWORD` is not set.",
        examples=["db.txt"],
    )


class MailConfig(Section):
    """The server that sends alerts by mail."""

    host: Text = Field(description="Server of SMTP.", examples=["smtp.example.org"])
    port: int = Field(25, ge=1, le=65535, description="Its port.")
    tls: Literal["off", "starttls", "tls"] = Field("starttls", description="Encryption of the connection.")
    sender: Text = Field(description="Address of the sender.", examples=["lurge@example.org"])
    recipients: Strings = Field(description="Addresses of those who are told.", examples=[["storage@example.org"]])
    user: Text | None = Field(None, description="Name to sign in with.", examples=["lurge"])
    password: Annotated[Password, PasswordVariable("LURGE_SMTP_PASSWORD")] = None
    password_file: RelativePath | None = Field(
        None, description="A file that holds the password, used if `$LURGE_SMTP_PASSWORD` is not set.",
        examples=["smtp.txt"],
    )  # fmt: skip

    @model_validator(mode="after")
    def _need_recipients(self) -> MailConfig:
        if not self.recipients:
            raise problem("must name somebody", "recipients")
        return self


class Alert(Section):
    """A rule of `lurge ledger watch-errors`."""

    name: Name = Field(description="Name of the rule.", examples=["many errors"])
    when: Literal["ran out", "rate"] = Field(
        description="`ran out`: an item was sold that is unknown or has too little. `rate`: there are more than"
        " `more_than` errors in `minutes` minutes.",
        examples=["rate"],
    )
    more_than: Whole = Field(100, description="Errors that are allowed, for `rate`.")
    minutes: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        10, description="Minutes to look back, for `rate`. An alert is not repeated before."
    )


ALERTS = (Alert(name="ran out", when="ran out"), Alert(name="many errors", when="rate"))


class LedgerConfig(Section):
    """Events over Kafka, and the amounts that they change, for `lurge ledger`."""

    broker: Annotated[Annotated[Text, AfterValidator(brokers)] | None, TextVariable("KAFKA_BROKER_URL")] = Field(
        None, description="Brokers, as HOST:PORT, with commas. `$KAFKA_BROKER_URL` has precedence.",
        examples=["kafka1:9092,kafka2:9092"],
    )  # fmt: skip
    events_topic: Annotated[Topic, TextVariable("KAFKA_EVENTS_TOPIC")] = Field(
        "events", description="Topic of events. `$KAFKA_EVENTS_TOPIC` has precedence."
    )
    errors_topic: Annotated[Topic, TextVariable("KAFKA_ERRORS_TOPIC")] = Field(
        "errors", description="Topic of events that cannot be applied. `$KAFKA_ERRORS_TOPIC` has precedence."
    )
    retry_topic: Topic | None = Field(
        None, description="Topic of events that are tried again.", examples=["events-retry"],
        json_schema_extra={"x-default": "`events_topic` with `-retry`"},
    )  # fmt: skip
    group: Text = Field("lurge-ledger", description="The consumer group of all instances.")
    partitions: int = Field(4, ge=1, le=10_000, description="Partitions of topics that are made.")
    replication: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None, description="Copies of topics that are made.", examples=[3],
        json_schema_extra={"x-default": "that of the broker"},
    )  # fmt: skip
    retries: Annotated[int, Field(ge=0, le=1000), TextVariable("KAFKA_EVENT_RETRIES", int)] = Field(
        3, description="Retries of an event that cannot be applied yet. `$KAFKA_EVENT_RETRIES` has precedence."
    )
    first_pause: Share = Field(1.0, description="Seconds before the first retry. Each pause is twice as long.")
    longest_pause: Share = Field(60.0, description="Longest pause before a retry, in seconds.")
    settle_seconds: Share = Field(
        2.0, description="A file that a program may still write is taken when it did not change for these seconds."
    )
    batch_events: Annotated[int, Field(ge=1, le=100_000)] = Field(5000, description="Most events of a transaction.")
    batch_seconds: Annotated[float, Field(gt=0, le=3)] = Field(
        0.5, description="Seconds that a transaction should take. Batches become smaller if it takes longer."
    )
    security: Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"] = Field(
        "plaintext", description="The protocol of the brokers."
    )
    ca_file: ExistingFile | None = Field(
        None, description="CA certificates that verify the brokers'.", examples=["ca.pem"],
        json_schema_extra={"x-default": "the system's"},
    )  # fmt: skip
    certificate_file: ExistingFile | None = Field(
        None, description="The client's certificate.", examples=["client.pem"]
    )
    key_file: ExistingFile | None = Field(
        None, description="The key of the client's certificate.", examples=["client.key"]
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="How the client signs in, for `sasl_plaintext` and `sasl_ssl`."
    )
    user: Text | None = Field(None, description="Name to sign in with.", examples=["lurge"])
    password: Annotated[Password, PasswordVariable("LURGE_KAFKA_PASSWORD")] = None
    password_file: RelativePath | None = Field(
        None, description="A file that holds the password, used if `$LURGE_KAFKA_PASSWORD` is not set.",
        examples=["kafka.txt"],
    )  # fmt: skip
    client: dict[str, Setting] = Field(
        default_factory=dict,
        description="More settings of librdkafka, for consumers and producers.",
        examples=[{"session.timeout.ms": 45000}],
    )
    database: Annotated[LedgerDatabase | None, PostgresVariables()] = None
    mail: MailConfig | None = None
    webhook: Annotated[str, AfterValidator(lambda url: url and web_address(url))] = Field(
        "", description="Address to which alerts are posted as JSON.", examples=["https://chat.example.org/hooks/1"]
    )
    alerts: Annotated[tuple[Alert, ...], BeforeValidator(tuple)] = Field(
        ALERTS, strict=False, description="The rules of alerts.", json_schema_extra={"x-default": "one of each kind"}
    )

    @model_validator(mode="after")
    def _check(self) -> LedgerConfig:
        for name in self.client:
            if name in OWN_SETTINGS or "password" in name:
                raise problem("is set by another key, or must not be set", "client", name)
        topics = [self.events_topic, self.errors_topic, self.retries_go_to]
        if len(set(topics)) < len(topics):
            raise problem("must be another topic than the others", "errors_topic")
        if self.security.startswith("sasl") and not self.user:
            raise problem(f'is missing, but security is "{self.security}"', "user")
        names = [alert.name for alert in self.alerts]
        if len(set(names)) < len(names):
            raise problem("must have different names", "alerts")
        return self

    @property
    def retries_go_to(self) -> str:
        """The topic of events that are tried again."""
        return self.retry_topic or f"{self.events_topic}-retry"
