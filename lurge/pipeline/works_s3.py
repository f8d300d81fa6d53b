"""Backlogs in an S3 bucket: each object is moved aside, loaded, and moved to where the done ones are.

PREFIX/x -> processing/inprocess/PREFIX/x -> processing/done/PREFIX/x, or processing/failed/PREFIX/x with the reasons
beside it. A move is a copy and a removal. Whatever dies between two steps, the next run takes it up: what was loaded is
known by its content.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from lurge.config import Config
from lurge.errors import LurgeError, WorksError
from lurge.pipeline.frame.job import Job, open_job
from lurge.pipeline.frame.ticket import ticket_of
from lurge.pipeline.works import LOAD, load_file
from lurge.pipeline.works_outcome import TreeOutcome, WorksOutcome
from lurge.store.database import Database

IN_PROCESS, DONE, FAILED = "processing/inprocess/", "processing/done/", "processing/failed/"
REASONS = ".reasons.txt"

log = logging.getLogger(__name__)


def is_s3(name: str) -> bool:
    """True for the address of a prefix in a bucket."""
    return name.startswith("s3://")


def run_load_s3(config: Config, database: Database, addresses: Iterable[str]) -> WorksOutcome:
    """Load every object below some prefixes. Raises LurgeError."""
    outcome = WorksOutcome()
    with open_job(LOAD, ticket_of(config, LOAD), database) as job:
        with job.step("load") as facts:
            for address in addresses:
                for tree in load_prefix(job, config, address):
                    outcome.trees.append(tree)
            facts["files"] = [tree.as_json() for tree in outcome.trees]
        job.outcome = outcome
    return outcome


def load_prefix(job: Job, config: Config, address: str) -> Iterator[TreeOutcome]:
    """Load the objects below a prefix: first those that a run before left in process. Raises WorksError."""
    try:
        import boto3
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as error:
        raise WorksError(f"{address}: {error}", "Install lurge[s3].") from error
    bucket, _, prefix = address.removeprefix("s3://").partition("/")
    endpoint = config.split.s3.endpoint_url if config.split.s3 else None
    try:
        client = boto3.client("s3", endpoint_url=endpoint)
        for key in keys(client, bucket, IN_PROCESS + prefix):
            yield load_object(job, config, client, bucket, key)
        left = set(keys(client, bucket, IN_PROCESS + prefix))
        for key in keys(client, bucket, prefix):
            # An object of this name that could not be loaded yet must not be replaced.
            if not key.startswith("processing/") and not key.endswith("/") and IN_PROCESS + key not in left:
                move(client, bucket, key, IN_PROCESS + key)
                yield load_object(job, config, client, bucket, IN_PROCESS + key)
    except (BotoCoreError, ClientError, Boto3Error, OSError) as error:
        raise WorksError(f"{address}: {error}", "Check the bucket and the credentials, and run it again.") from error


def keys(client: Any, bucket: str, prefix: str) -> list[str]:
    """The keys of all objects below a prefix, sorted."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return sorted(item["Key"] for page in pages for item in page.get("Contents", ()))


def move(client: Any, bucket: str, source: str, target: str) -> None:
    """Copy an object, then remove it."""
    client.copy({"Bucket": bucket, "Key": source}, bucket, target)
    client.delete_object(Bucket=bucket, Key=source)


def load_object(job: Job, config: Config, client: Any, bucket: str, key: str) -> TreeOutcome:
    """Load an object that is in process, and move it on."""
    own = key.removeprefix(IN_PROCESS)
    with tempfile.TemporaryDirectory(prefix="lurge-works-") as folder:
        file = Path(folder) / "backlog.csv"
        client.download_file(bucket, key, str(file))
        outcome = load_file(job, config.works, file, f"s3://{bucket}/{own}")
    if isinstance(outcome.failed, LurgeError):
        reasons = f"{outcome.failed.message}\n{outcome.failed.advice}\n"
        if not isinstance(outcome.failed, WorksError):
            # It is not the object's fault: it stays where the next run takes it up.
            return outcome
        client.put_object(Bucket=bucket, Key=FAILED + own + REASONS, Body=reasons.encode())
        move(client, bucket, key, FAILED + own)
        return outcome
    if outcome.problem_count:
        text = "".join(f"{problem}\n" for problem in outcome.problems)
        client.put_object(Bucket=bucket, Key=DONE + own + REASONS, Body=text.encode())
    move(client, bucket, key, DONE + own)
    return outcome
