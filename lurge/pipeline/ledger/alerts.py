"""Alerts: rules about errors, told in the log, by mail and to a webhook."""

from __future__ import annotations

import json
import logging
import smtplib
import socket
import ssl
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from functools import partial
from http.client import HTTPException

import sqlalchemy as sa

from lurge.config import Config
from lurge.config.ledger import RAN_OUT, Alert, LedgerConfig, MailConfig
from lurge.display import counted
from lurge.errors import LedgerError
from lurge.pipeline.ledger.database import need_tables, persist
from lurge.pipeline.ledger.stopping import Stop, Stopped
from lurge.store.database import Database
from lurge.store.ledger import alerts
from lurge.store.ledger.clock import now

MOST_NAMED = 20
ANSWER_SECONDS = 20

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Message:
    """An alert. rule: its name. text: what happened, one sentence a line."""

    rule: str
    text: str


Tell = Callable[[Message], None]
"""Tells people of an alert. Raises LedgerError if they cannot be reached."""


def watch_errors(config: Config, database: Database, stop: Stop, seconds: float | None) -> bool:
    """Look for errors and tell people of them, until it is asked to stop. Raises LurgeError.

    seconds: between two looks; None to look once. Returns whether there was an alert in the last look.
    """
    ways = ways_of(config.ledger)
    was_alert = False
    try:
        need_tables(database, stop)
        while True:
            looks = [
                look(database, rule, way, tell, stop) for rule in config.ledger.alerts for way, tell in ways.items()
            ]
            was_alert = any(looks)
            if seconds is None:
                return was_alert
            stop.wait(seconds)
    except Stopped:
        return was_alert


def ways_of(config: LedgerConfig) -> dict[str, Tell]:
    """Return the ways in which a site tells people, by name."""
    ways: dict[str, Tell] = {"log": write_to_log}
    if config.mail:
        ways["mail"] = partial(send_mail, config.mail)
    if config.webhook:
        ways["webhook"] = partial(post, config.webhook)
    return ways


def look(database: Database, rule: Alert, way: str, tell: Tell, stop: Stop) -> bool:
    """Look at what is new for one rule, and tell people of it in one way; returns whether there is something.

    If they cannot be reached, they are told at the next look.
    """
    name = f"{rule.name} ({way})"
    span = timedelta(minutes=rule.minutes)

    def find() -> tuple[str, int]:
        with database.writing() as connection:
            last, alerted = alerts.progress(connection, name, span)
            newest = max(last, alerts.newest_error(connection))
            if rule.when == RAN_OUT:
                text = sold_out(connection, last, newest)
            else:
                is_new = alerted is None or alerted < now() - span
                count = alerts.errors_since(connection, now() - span)
                is_alert = is_new and count > rule.more_than
                text = f"{counted(count, 'error')} in {counted(rule.minutes, 'minute')}" if is_alert else ""
            if not text:
                alerts.note(connection, name, newest, alerted)
            return text, newest

    text, newest = persist(database, find, stop)
    if not text:
        return False
    try:
        tell(Message(rule.name, text))
    except LedgerError as error:
        log.error("%s", error.message)
        return True

    def note() -> None:
        with database.writing() as connection:
            alerts.note(connection, name, newest, now())

    persist(database, note, stop)
    return True


def sold_out(connection: sa.Connection, last: int, newest: int) -> str:
    """Return a line for each item of which more was sold than there is, in some errors; empty if there is none."""
    lines = []
    for store, item, errors, amount in alerts.ran_out(connection, last, newest):
        state = "it is unknown" if amount is None else f"the amount is {amount}"
        lines.append(f"store {store}, item {item}: {counted(errors, 'sale')} failed, {state}")
    more = [f"and {len(lines) - MOST_NAMED:,} more"] if len(lines) > MOST_NAMED else []
    return "\n".join(lines[:MOST_NAMED] + more)


def write_to_log(message: Message) -> None:
    """Write an alert to the log."""
    for line in message.text.splitlines():
        log.warning("%s: %s", message.rule, line)


def send_mail(config: MailConfig, alert: Message) -> None:
    """Send an alert by mail. Raises LedgerError."""
    message = EmailMessage()
    message["Subject"] = f"lurge ledger: {alert.rule}"
    message["From"] = config.sender
    message["To"] = ", ".join(config.recipients)
    message.set_content(f"{alert.text}\n")
    secure = ssl.create_default_context()
    try:
        opened = (
            smtplib.SMTP_SSL(config.host, config.port, timeout=ANSWER_SECONDS, context=secure)
            if config.tls == "tls"
            else smtplib.SMTP(config.host, config.port, timeout=ANSWER_SECONDS)
        )
        with opened as server:
            if config.tls == "starttls":
                server.starttls(context=secure)
            if config.user:
                server.login(config.user, config.password.reveal() if config.password else "")
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise LedgerError(f"mail by {config.host}:{config.port}: {error}", "Look at [ledger.mail].") from error


def post(address: str, alert: Message) -> None:
    """Post an alert to a webhook as JSON. Raises LedgerError."""
    content = {"rule": alert.rule, "text": alert.text, "host": socket.gethostname()}
    request = urllib.request.Request(  # noqa: S310 - the configuration allows only http and https
        address, json.dumps(content).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS):  # noqa: S310 - as above
            pass
    except (OSError, ValueError, HTTPException) as error:
        raise LedgerError(f"webhook: {error}", "Look at ledger.webhook.") from error
