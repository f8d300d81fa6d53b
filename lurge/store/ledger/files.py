"""Files of events: how far each was read. A file is known by its content."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import sqlalchemy as sa

from lurge.errors import LedgerError
from lurge.model.event import ErrorKind, Message, Place
from lurge.store.ledger import schema
from lurge.store.ledger.batch import Rules, error_message, error_row


@dataclass(frozen=True)
class FileProgress:
    """How far a file was read. position: in bytes. line_count: lines before it. has_ended: it is done."""

    id: int
    key: str
    name: str
    position: int
    line_count: int
    sent: int
    rejected: int
    has_ended: bool


def begin(connection: sa.Connection, content: str, name: str, size: int) -> FileProgress:
    """Return the progress of a file, which is made if its content is new. content: SHA-256. size: in bytes."""
    table = schema.files
    query = sa.select(table).where(table.c.content == content).with_for_update()
    row = connection.execute(query).first()
    if row is None:
        connection.execute(
            sa.insert(table).values(
                file_key=secrets.token_hex(16), content=content, name=name, bytes=size, position=0, line_count=0,
                sent=0, rejected=0, begun_at=now(),
            )
        )  # fmt: skip
        row = connection.execute(query).one()
    return FileProgress(
        row.id, row.file_key, row.name, row.position, row.line_count, row.sent, row.rejected, row.done_at is not None
    )


@dataclass(frozen=True)
class Step:
    """A step forward in a file: the values after it. rejected: (number, reasons, input) of lines that are not valid."""

    position: int
    line_count: int
    sent: int
    rejected: Sequence[tuple[int, tuple[str, ...], bytes]]
    has_ended: bool = False


def advance(connection: sa.Connection, file: FileProgress, step: Step, rules: Rules) -> bool:
    """Store a step; returns False if it was stored already. Raises LedgerError if another process reads the file."""
    table = schema.files
    here = table.c.id == file.id
    position, is_done = connection.execute(
        sa.select(table.c.position, table.c.done_at.is_not(None)).where(here).with_for_update()
    ).one()
    if (position, bool(is_done)) == (step.position, step.has_ended):
        return False
    if position != file.position:
        raise LedgerError(f"{file.name}: another process reads it, too", "One process is enough.")
    moment = now()
    connection.execute(
        sa.update(table)
        .where(here)
        .values(position=step.position, line_count=step.line_count, sent=file.sent + step.sent,
                rejected=file.rejected + len(step.rejected), done_at=moment if step.has_ended else None)
    )  # fmt: skip
    rows = [
        error_row(Message(Place("", 0, 0, file.key, number), reasons, text), ErrorKind.INVALID, reasons, file.id,
                  file.name, moment)
        for number, reasons, text in step.rejected
    ]  # fmt: skip
    if rows:
        connection.execute(sa.insert(schema.errors), rows)
        if rules.errors_topic:
            connection.execute(sa.insert(schema.outbox), [error_message(row, rules) for row in rows])
    return True


def after(file: FileProgress, step: Step) -> FileProgress:
    """Return the progress of a file after a step."""
    return replace(
        file, position=step.position, line_count=step.line_count, sent=file.sent + step.sent,
        rejected=file.rejected + len(step.rejected), has_ended=step.has_ended,
    )  # fmt: skip


def rejected_lines(connection: sa.Connection, file: FileProgress) -> Iterable[tuple[int, str]]:
    """Return the number and the reasons, in JSON, of each line of a file that is not valid."""
    row = schema.errors.c
    is_line = (row.file_id == file.id) & (row.kind == ErrorKind.INVALID) & row.topic.is_(None)
    query = sa.select(row.line, sa.func.min(row.reasons)).where(is_line).group_by(row.line).order_by(row.line)
    return [(line, reasons) for line, reasons in connection.execute(query)]


def now() -> datetime:
    """Return the time in UTC, without a time zone."""
    return datetime.now(UTC).replace(tzinfo=None)
