"""The document of a ticket: its form, and changes of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Any

from lurge.tickets.errors import InvalidDocument, InvalidTicketId
from lurge.tickets.files import Document, is_ticket_id

TIME = "%Y-%m-%d %H:%M:%S"


@cache
def validator() -> Any:
    """The schema's validator. Its library is imported when the first ticket is written."""
    import jsonschema

    schema = json.loads(resources.files(__package__).joinpath("schema.json").read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(schema)


def moment_of(text: str) -> float | None:
    """The Unix seconds of a time in a document; None if the text is not a time."""
    try:
        return datetime.strptime(text, TIME).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


def now() -> str:
    """The time in UTC, as documents have it."""
    return datetime.now(UTC).strftime(TIME)


def steps_as_dict(steps: object) -> dict[str, str]:
    """Steps by number, from that form or from a list of {step_number, worker_type, task_name}.

    Raises InvalidDocument if they have neither form, or are not numbered from 1 without gaps.
    """
    if isinstance(steps, list):
        try:
            steps = {str(int(step["step_number"])): step["task_name"] for step in steps}
        except (TypeError, KeyError, ValueError) as error:
            raise InvalidDocument(f"a step lacks {error}") from error
    if not isinstance(steps, dict) or not all(isinstance(name, str) and name for name in steps.values()):
        raise InvalidDocument("steps are names by number, or a list of step_number, worker_type and task_name")
    if set(steps) != {str(number) for number in range(1, len(steps) + 1)}:
        raise InvalidDocument(f"steps must be numbered from 1 to {len(steps)}")
    return {str(number): steps[str(number)] for number in range(1, len(steps) + 1)}


def check(document: Document) -> None:
    """Raise InvalidDocument, with the place, if a document is not a ticket or cannot be written as JSON."""
    problem = next(iter(validator().iter_errors(document)), None)
    if problem is not None:
        raise InvalidDocument(f"{problem.json_path}: {problem.message}")
    for name in ("creation_date", "last_modified_date"):
        if moment_of(document[name]) is None:
            raise InvalidDocument(f"$.{name}: {document[name]!r} is not a time such as 2024-01-31 23:59:59")
    try:
        json.dumps(document, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidDocument(f"the document is not JSON: {error}") from error
    if not is_ticket_id(document["job_ticket_id"]):
        raise InvalidTicketId(f"{document['job_ticket_id']!r} is not a ticket id")


def step_number(document: Document, step: int | str | None) -> int:
    """The number of a step given by number or name; of the current one if it is None."""
    management = document["job_management"]
    names = steps_as_dict(management["steps"])
    if step is None:
        return int(management["current_step"])
    for number, name in names.items():
        if step in (name, number) or (isinstance(step, int) and str(step) == number):
            return int(number)
    raise InvalidDocument(f"{document['job_name']} has no step {step!r}")


def step_name(document: Document) -> str:
    """The name of the current step."""
    management = document["job_management"]
    number = str(management["current_step"])
    return steps_as_dict(management["steps"]).get(number, number)


def end_step(document: Document, status: str, facts: Mapping[str, Any]) -> None:
    """Note the end of the current step, with facts about it."""
    document["job_management"]["previous_step_status"] = status
    log = step_log(document)
    log.update(facts, status=status, ended=now())
    if "began_at" in log:
        log["seconds"] = round(datetime.now(UTC).timestamp() - log.pop("began_at"), 3)


def step_log(document: Document) -> dict[str, Any]:
    """The entry of the current step in the context. A context may hold anything: another form is replaced."""
    steps = document["context"].get("steps")
    if not isinstance(steps, dict):
        steps = document["context"]["steps"] = {}
    name = step_name(document)
    if not isinstance(steps.get(name), dict):
        steps[name] = {}
    log: dict[str, Any] = steps[name]
    return log


def add_error(document: Document, error: str) -> None:
    """Append an error to context.errors_encountered."""
    errors = document["context"].get("errors_encountered")
    if not isinstance(errors, list):
        errors = document["context"]["errors_encountered"] = [errors] if errors else []
    errors.append({"time": now(), "step": step_name(document), "error": error})


def merge(target: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Put `more` into `target`, object into object."""
    for key, value in more.items():
        if isinstance(value, Mapping) and isinstance(target.get(key), dict):
            merge(target[key], value)
        else:
            target[key] = deepcopy(value)


def requeue(document: Document) -> bool:
    """Queue a job again. False if it has succeeded or may not be tried again."""
    management = document["job_management"]
    if management["job_status"] == "success":
        return False
    if management["numberOfTries"] >= management["maxNumberOfTries"]:
        management["job_status"] = "failure"
        return False
    management["numberOfTries"] += 1
    management["job_status"] = "queued"
    return True


def mark_stale(document: Document, why: str, queue_again: bool) -> None:
    """Fail a running ticket or queue it again."""
    add_error(document, why)
    document["context"]["died"] = why
    end_step(document, "failure", {})
    if not queue_again or not requeue(document):
        document["job_management"]["job_status"] = "failure"
