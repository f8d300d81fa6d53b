"""Usage and changes of buckets: what is where, what it is, and what two days differ in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from lurge.errors import LakeError, UsageError
from lurge.model.lake import By
from lurge.model.overview import AGES, OLDEST, UNKNOWN
from lurge.store.lake.loads import newest_loads
from lurge.store.lake.query import Questions, quoted

IS_MARKER = "coalesce(isdeletemarker, false)"
IS_OLD = f"(NOT coalesce(islatest, true) AND NOT {IS_MARKER})"
IS_OBJECT = f"NOT {IS_MARKER}"
IS_PUBLIC = "contains(try_cast(try(from_base64(objectaccesscontrollist)) AS VARCHAR), 'AllUsers')"
SUMS = f"""
    count(*) FILTER ({IS_OBJECT}) AS objects,
    coalesce(sum(size), 0)::BIGINT AS bytes,
    count(*) FILTER ({IS_OLD}) AS noncurrent,
    coalesce(sum(size) FILTER ({IS_OLD}), 0)::BIGINT AS noncurrent_bytes,
    count(*) FILTER ({IS_MARKER}) AS delete_markers,
    count(*) FILTER (ismultipartuploaded AND {IS_OBJECT}) AS multipart,
    count(*) FILTER (encryptionstatus = 'NOT-SSE' AND {IS_OBJECT}) AS unencrypted,
    count(*) FILTER (coalesce(replicationstatus, '') NOT IN ('COMPLETED', 'COMPLETE', 'REPLICA') AND {IS_OBJECT})
        AS unreplicated,
    count(*) FILTER ({IS_PUBLIC}) AS public
"""


def prefix_column(depth: int) -> str:
    """The expression of the first components of a key, without its name."""
    return f"array_to_string(str_split(key, '/')[:least({depth}, len(str_split(key, '/')) - 1)], '/')"


def age_column() -> str:
    """The expression of the age of an object, in the classes of the overview."""
    days = "date_diff('day', lastmodifieddate, inventory_time)"
    cases = " ".join(f"WHEN {days} < {limit} THEN '{name}'" for name, limit in AGES)
    return f"CASE WHEN lastmodifieddate IS NULL THEN '{UNKNOWN}' {cases} ELSE '{OLDEST}' END"


def column_of(by: By, depth: int) -> str:
    """The expression of a row's name."""
    return {
        By.PREFIX: prefix_column(depth),
        By.STORAGE_CLASS: "coalesce(storageclass, '-')",
        By.AGE: age_column(),
        By.OWNER: "coalesce(objectowner, '-')",
        By.ENCRYPTION: "coalesce(encryptionstatus, '-')",
        By.VERSION: f"CASE WHEN {IS_MARKER} THEN 'delete marker' WHEN {IS_OLD} THEN 'noncurrent' ELSE 'current' END",
    }[by]


@dataclass(frozen=True)
class Where:
    """The objects that are asked for. Empty: all buckets, all prefixes. prefix: whole components of keys."""

    bucket: str = ""
    prefix: str = ""

    def condition(self) -> str:
        """The condition, to follow another one."""
        texts = []
        if self.bucket:
            texts.append(f" AND bucket = {quoted(self.bucket)}")
        if self.prefix:
            texts.append(f" AND starts_with(key, {quoted(self.prefix + '/')})")
        return "".join(texts)


ALL = Where()


def usage(questions: Questions, by: By, depth: int = 1, where: Where = ALL) -> pa.Table:
    """The sums of the last inventory of each bucket, by one property; the largest first.

    depth: components of a prefix. objects: without delete markers, with old versions.
    """
    return questions.ask(f"""
        SELECT bucket, {column_of(by, depth)} AS {by.value}, {SUMS} FROM latest
        WHERE true{where.condition()} GROUP BY 1, 2 ORDER BY bytes DESC, bucket, {by.value}
    """)  # noqa: S608  names of ours, a number, and quoted texts


def found(questions: Questions, where: Where = ALL) -> pa.Table:
    """The sums of each bucket from which it follows what somebody should look at.

    failed: replications that failed. kept_parts: old versions that came in parts and never expire, where the inventory
    tells when objects expire.
    """
    return questions.ask(f"""
        SELECT bucket, {SUMS}, count(*) FILTER (replicationstatus = 'FAILED') AS failed,
            CASE WHEN count(lifecycleexpirationdate) = 0 THEN 0 ELSE count(*) FILTER (
                ismultipartuploaded AND {IS_OLD} AND lifecycleexpirationdate IS NULL
            ) END AS kept_parts
        FROM latest WHERE true{where.condition()} GROUP BY 1 ORDER BY 1
    """)  # noqa: S608  quoted texts


def difference(questions: Questions, earlier: date, later: date, depth: int = 1, where: Where = ALL) -> pa.Table:
    """The changes between two days, by prefix, from the last inventory of each bucket up to each day.

    Raises UsageError, and LakeError if one of these expired.
    """
    if earlier >= later:
        raise UsageError(f"{earlier} is not before {later}")
    sides = {}
    states = [newest_loads(questions.loads, day) for day in (earlier, later)]
    if not states[0] or states[0] == states[1]:
        problem = (
            f"there is no inventory up to {earlier}" if not states[0] else "no inventory came between the two days"
        )
        raise LakeError(problem, "`lurge lake loads` lists them.")
    for name, loads in zip(("old", "new"), states, strict=True):
        days = ", ".join(sorted({f"DATE '{load.date}'" for load in loads}))
        chosen = ", ".join(f"({quoted(load.source)}, TIMESTAMPTZ {quoted(load.time.isoformat())})" for load in loads)
        sides[name] = f"""
            SELECT bucket, key, coalesce(versionid, '') AS version, coalesce(size, 0) AS size, etag FROM objects
            WHERE {IS_OBJECT} AND dt IN ({days or "NULL"})
                AND (inventory_source, inventory_time) IN ({chosen or "(NULL, NULL)"}){where.condition()}
        """  # noqa: S608  times and quoted texts only
    return questions.ask(f"""
        WITH old AS ({sides["old"]}), new AS ({sides["new"]})
        SELECT coalesce(new.bucket, old.bucket) AS bucket,
            {prefix_column(depth).replace("key", "coalesce(new.key, old.key)")} AS prefix,
            count(*) FILTER (old.key IS NULL) AS added,
            coalesce(sum(new.size) FILTER (old.key IS NULL), 0)::BIGINT AS added_bytes,
            count(*) FILTER (new.key IS NULL) AS removed,
            coalesce(sum(old.size) FILTER (new.key IS NULL), 0)::BIGINT AS removed_bytes,
            count(*) FILTER (old.key IS NOT NULL AND new.key IS NOT NULL
                AND (new.size != old.size OR new.etag IS DISTINCT FROM old.etag)) AS changed,
            (coalesce(sum(new.size), 0) - coalesce(sum(old.size), 0))::BIGINT AS bytes
        FROM old FULL JOIN new USING (bucket, key, version)
        GROUP BY 1, 2
        HAVING added > 0 OR removed > 0 OR changed > 0
        ORDER BY abs(bytes) DESC, 1, 2
    """)  # noqa: S608  dates and numbers only
