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
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

from lurge.config import Config
from lurge.config.ledger import RAN_OUT, Alert, LedgerConfig, MailConfig
from lurge.display import counted
from lurge.errors import LedgerError
from lurge.pipeline.ledger.database import need_tables, persist
from lurge.pipeline.ledger.stopping import Stop, Stopped
from lurge.store.database import Database
from lurge.store.ledger import alerts

MOST_NAMED = 20
ANSWER_SECONDS = 20

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Told:
    """An alert. rule: its name. text: what happened, one sentence a line."""

    rule: str
    text: str


def watch_errors(config: Config, database: Database, stop: Stop, seconds: float | None) -> list[Told]:
    """Look for errors and tell of them, until the process shall end. Raises LurgeError.

    seconds: between two looks; None to look once. Returns what was told in the last look.
    """
    told: list[Told] = []
    try:
        need_tables(database, stop)
        while True:
            told = [found for rule in config.ledger.alerts if (found := look(config.ledger, database, rule, stop))]
            if seconds is None:
                return told
            stop.wait(seconds)
    except Stopped:
        return told


def look(config: LedgerConfig, database: Database, rule: Alert, stop: Stop) -> Told | None:
    """Look at what is new for one rule, and tell of it. What could not be told is told at the next look."""

    def found() -> tuple[Told | None, int, datetime | None]:
        with database.writing() as connection:
            last, alerted = alerts.progress(connection, rule.name)
            newest = alerts.newest_error(connection)
            now = datetime.now(UTC).replace(tzinfo=None)
            if rule.when == RAN_OUT:
                items = alerts.ran_out(connection, last, newest)
                names = [
                    f"store {store}, item {item}: {counted(errors, 'sale')} failed, the amount is {amount}"
                    if amount is not None
                    else f"store {store}, item {item}: {counted(errors, 'sale')} failed, it is unknown"
                    for store, item, errors, amount in items
                ]
                more = [f"and {len(names) - MOST_NAMED:,} more"] if len(names) > MOST_NAMED else []
                text = "\n".join(names[:MOST_NAMED] + more)
            else:
                span = timedelta(minutes=rule.minutes)
                count = alerts.errors_since(connection, now - span)
                is_new = alerted is None or alerted < now - span
                text = f"{counted(count, 'error')} in {counted(rule.minutes, 'minute')}"
                text = text if count > rule.more_than and is_new else ""
            if not text:
                alerts.note(connection, rule.name, newest, alerted)
            return (Told(rule.name, text) if text else None), newest, now

    told, newest, moment = persist(database, found, stop)
    if told is None or not tell(config, told):
        return told

    def noted() -> None:
        with database.writing() as connection:
            alerts.note(connection, rule.name, newest, moment)

    persist(database, noted, stop)
    return told


def tell(config: LedgerConfig, told: Told) -> bool:
    """Tell of an alert everywhere; returns whether everybody was reached."""
    for line in told.text.splitlines():
        log.warning("%s: %s", told.rule, line)
    ways: list[Callable[[], None]] = []
    if config.mail:
        mail = config.mail
        ways.append(lambda: send_mail(mail, told))
    if config.webhook:
        ways.append(lambda: post(config.webhook, told))
    reached = True
    for way in ways:
        try:
            way()
        except LedgerError as error:
            log.error("%s", error.message)
            reached = False
    return reached


def send_mail(config: MailConfig, told: Told) -> None:
    """Send an alert by mail. Raises LedgerError."""
    message = EmailMessage()
    message["Subject"] = f"lurge ledger: {told.rule}"
    message["From"] = config.sender
    message["To"] = ", ".join(config.recipients)
    message.set_content(f"{told.text}\n")
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


def post(address: str, told: Told) -> None:
    """Post an alert to a webhook as JSON. Raises LedgerError."""
    content = {"rule": told.rule, "text": told.text, "host": socket.gethostname()}
    request = urllib.request.Request(  # noqa: S310 - the configuration allows only http and https
        address, json.dumps(content).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS):  # noqa: S310 - as above
            pass
    except (OSError, ValueError) as error:
        raise LedgerError(f"webhook: {error}", "Look at ledger.webhook.") from error
