"""Every error that lurge expects, drawn as a tree.

    LurgeError                    1   something failed; the message says what, the advice what to do
    ├── UsageError                2   the command line is wrong
    │   └── ConfigError           2   lurge.toml is wrong: names the file, the line and the key
    ├── OutputError               1   a file or directory cannot be written
    ├── ScanError                 1   a tree cannot be scanned at all
    ├── VolumeError               3   one volume fails, the others go on
    │   ├── DumpNotFound          3   no dump, or none new enough
    │   ├── StreamError           3   the dump is cut, corrupt or unreadable
    │   ├── BaseDirectoriesError  3   a .basedirs file is missing or malformed
    │   ├── TooManyRejected       3   more lines are malformed than the configuration allows
    │   ├── ReconciliationError   3   the independent counters do not add up
    │   └── RankError             3   an unexpected exception in a process that works for the volume
    ├── IdentityError             1   names of groups and users cannot be read
    ├── QuotaError                1   one source of quotas does not answer; the next one is asked
    ├── StoreError                1   the database cannot be read or written
    │   ├── StoreUnavailable      1   the database went away, and stayed away for as long as was waited
    │   └── LockHeld              1   another run works on the database
    ├── TicketError               1   a ticket cannot be read or written
    ├── SplitError                1   the dumps cannot be split by group, or the result not be uploaded
    └── MpiError                  1   the MPI installation does not fit the way lurge was started

The number is the exit status (for a volume's error: where other volumes succeeded; 1 where none did).
Expected errors are shown without a traceback; anything else is a bug and shows one.
"""

from __future__ import annotations


def permission_advice(error: Exception) -> str | None:
    """Advice where a file may not be read, for errors whose own advice is for a malformed one; else None."""
    return "Let this user read it: correct its permissions." if isinstance(error, PermissionError) else None


class LurgeError(Exception):
    """Something failed.

    message: what is wrong and where (file, line or key). advice: what to do next.
    """

    exit_status = 1
    advice = "Run again with --verbose to see more."

    def __init__(self, message: str, advice: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if advice is not None:
            self.advice = advice


class UsageError(LurgeError):
    """The command line is wrong."""

    exit_status = 2
    advice = "See the command's --help."


class ConfigError(UsageError):
    """The configuration is wrong: an unknown key, a wrong type, a missing path."""

    advice = "Correct the key in the configuration file; docs/configuration.md lists all keys."

    def __init__(
        self, file: object, key: str, problem: str, advice: str | None = None, line: int | None = None
    ) -> None:
        place = f"{file}:{line}" if line else f"{file}"
        super().__init__(f"{place}: {key}: {problem}" if key else f"{place}: {problem}", advice)
        self.key = key


class OutputError(LurgeError):
    """A file or directory cannot be written: no permission, no space, not a directory."""

    advice = "Free space or correct the permissions, then run again; unfinished files were removed."

    @classmethod
    def at(cls, path: object, cause: OSError) -> OutputError:
        """The error of a failed system call on `path`."""
        return cls(f"cannot write {path}: {cause.strerror or cause}")


class ScanError(LurgeError):
    """A tree cannot be scanned at all: it does not exist or cannot be opened."""

    advice = "Give existing directories that this user may read."


class VolumeError(LurgeError):
    """One volume fails: nothing of it is stored, the other volumes go on."""

    exit_status = 3


class DumpNotFound(VolumeError):
    """A volume has no dump, or none new enough."""

    advice = "Check dumps.directory and dumps.max_days_ago, and whether wrstat ran for the volume."


class StreamError(VolumeError):
    """A dump is cut short, corrupt or unreadable; names the byte offset in the file."""

    advice = "Check the dump with `gzip -t`; write it again or wait for the next one."


class BaseDirectoriesError(VolumeError):
    """A .basedirs file is missing or malformed; names the file and line."""

    advice = "Correct the file, or make one with `lurge basedirs`."


class TooManyRejected(VolumeError):
    """More lines are malformed than dumps.max_rejected_fraction allows."""

    advice = "Look at the sampled lines; raise dumps.max_rejected_fraction only where they can be spared."


class ReconciliationError(VolumeError):
    """Independent counters of one volume do not add up: a defect in lurge or in the machine."""

    advice = "Nothing of the volume was stored. Run again; if it stays, report it with the dump."


class RankError(VolumeError):
    """An unexpected exception in a process that works for a volume; names rank, host and reason."""

    advice = "The log of that rank holds the traceback."


class IdentityError(LurgeError):
    """Names of groups and users cannot be read: names the file and line, or the LDAP server and its answer."""

    advice = "Correct the file: gid<TAB>name<TAB>PI a line for groups, uid<TAB>name for users."


class QuotaError(LurgeError):
    """A source of quotas does not answer; the next one is asked, and the job goes on."""

    advice = "See that lfs can be run here, or write <volume>.csv in quota.csv_directory (group,limit; KiB)."


class StoreError(LurgeError):
    """The database cannot be read or written; what was stored before stands as it was."""

    advice = "Check database.url, the permissions and the free space of its disk, then run again."


class StoreUnavailable(StoreError):
    """The database went away (lost connection, deadlock, restart), and stayed away for as long as was waited."""

    advice = "See whether the server runs and can be reached, then run again: it goes on where it stopped."


class LockHeld(StoreError):
    """Another run works on the database; says who and since when."""

    advice = "Wait for it. The lock ends with its process: if that hangs, end it."


class TicketError(LurgeError):
    """A ticket cannot be read or written."""

    advice = "See `lurge ticket list`; check tickets.directory and $JOB_DATA_BASEDIR."


class SplitError(LurgeError):
    """The dumps cannot be split by group, or the result cannot be uploaded."""

    advice = "What was published before stands as it was. Correct the cause and run `lurge split` again."


class MpiError(LurgeError):
    """The MPI installation does not fit the way lurge was started."""

    advice = "Install lurge[mpi] and start with `lurge report -n RANKS`, or with that installation's mpiexec."
