"""Files of events: how far each was read. A file is known by its content."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from lurge.errors import LedgerError, StoreUnavailable
from lurge.model.event import ErrorKind, Message, Place
from lurge.store.ledger import schema
from lurge.store.ledger.clock import now
from lurge.store.ledger.failures import Source, error_message, error_row

ROWS_AT_ONCE = 1000
CHANGED = "changed:"
"""The beginning of the content of files that changed while they were read."""


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


def begin(connection: sa.Connection, content: str, name: str, size: int, topic: str | None) -> FileProgress:
    """Return the progress of a file, which is made if its content is new.

    content: SHA-256. size: in bytes. topic: where its events are sent; None if they are applied at once.
    """
    table = schema.files
    query = sa.select(table).where(table.c.content == content).with_for_update()
    row = connection.execute(query).first()
    if row is None:
        values = {"file_key": secrets.token_hex(16), "content": content, "name": name, "topic": topic, "bytes": size,
                  "position": 0, "line_count": 0, "sent": 0, "rejected": 0, "begun_at": now()}  # fmt: skip
        try:
            connection.execute(sa.insert(table).values(values))
        except IntegrityError as error:
            raise StoreUnavailable(f"{name}: another process begins to read the same") from error
        row = connection.execute(query).one()
    return FileProgress(
        row.id, row.file_key, row.name, row.position, row.line_count, row.sent, row.rejected, row.done_at is not None
    )


def give_up(connection: sa.Connection, file: FileProgress) -> None:
    """Note that a file changed while it was read: its content, if it comes again, is read from its beginning."""
    table = schema.files
    changed = {"content": f"{CHANGED}{file.key}", "done_at": now()}
    connection.execute(sa.update(table).where(table.c.id == file.id).values(changed))


@dataclass(frozen=True)
class Step:
    """A step forward in a file: the values after it. rejected: (number, reasons, input) of lines that are not valid."""

    position: int
    line_count: int
    sent: int
    rejected: Sequence[tuple[int, tuple[str, ...], bytes]]
    has_ended: bool = False


def advance(connection: sa.Connection, file: FileProgress, step: Step, errors_topic: str) -> bool:
    """Store a step; returns False if it was stored already.

    errors_topic: empty without a broker. Raises LedgerError if another process reads the file.
    """
    table = schema.files
    here = table.c.id == file.id
    position, lines, is_done = connection.execute(
        sa.select(table.c.position, table.c.line_count, table.c.done_at.is_not(None)).where(here).with_for_update()
    ).one()
    if (position, lines, bool(is_done)) == (step.position, step.line_count, step.has_ended):
        return False
    if (position, lines) != (file.position, file.line_count):
        raise LedgerError(f"{file.name}: another process reads it, too", "One process is enough.")
    moment = now()
    connection.execute(
        sa.update(table)
        .where(here)
        .values(position=step.position, line_count=step.line_count, sent=file.sent + step.sent,
                rejected=file.rejected + len(step.rejected), done_at=moment if step.has_ended else None)
    )  # fmt: skip
    rows = [
        error_row(Message(Place("", 0, 0, file.key, number), reasons, text), ErrorKind.INVALID, reasons,
                  Source(file.id, file.name), moment, None)
        for number, reasons, text in step.rejected
    ]  # fmt: skip
    if rows:
        connection.execute(sa.insert(schema.errors), rows)
        if errors_topic:
            connection.execute(sa.insert(schema.outbox), [error_message(row, errors_topic) for row in rows])
    return True


def after(file: FileProgress, step: Step) -> FileProgress:
    """Return the progress of a file after a step."""
    return replace(
        file, position=step.position, line_count=step.line_count, sent=file.sent + step.sent,
        rejected=file.rejected + len(step.rejected), has_ended=step.has_ended,
    )  # fmt: skip


def rejected_lines(connection: sa.Connection, file: FileProgress) -> Iterator[tuple[int, str]]:
    """Return the number and the reasons, in JSON, of each line of a file that is not valid, in order."""
    row = schema.errors.c
    is_line = (row.file_id == file.id) & (row.kind == ErrorKind.INVALID) & row.topic.is_(None)
    query = sa.select(row.line, sa.func.min(row.reasons)).where(is_line).group_by(row.line).order_by(row.line)
    rows = connection.execute(query.execution_options(yield_per=ROWS_AT_ONCE))
    return ((line, reasons) for line, reasons in rows)
