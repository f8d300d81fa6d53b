"""The errors that lurge expects, as a tree.

    LurgeError                    1   something failed; the message names the problem, the advice the next step
    ├── UsageError                2   the command line is wrong
    │   └── ConfigError           2   lurge.toml is wrong: names the file, the line and the key
    ├── OutputError               1   a file or directory cannot be written
    ├── ScanError                 1   a tree cannot be scanned at all
    ├── VolumeError               3   one volume fails, the others continue
    │   ├── DumpNotFound          3   no dump, or no dump that is new enough
    │   ├── StreamError           3   the dump is truncated, corrupt or unreadable
    │   ├── BaseDirectoriesError  3   a .basedirs file is missing or malformed
    │   ├── TooManyRejected       3   more lines are malformed than the configuration allows
    │   ├── ReconciliationError   3   the independent counters do not add up
    │   └── RankError             3   an unexpected exception in a process that works on the volume
    ├── IdentityError             1   names of groups and users cannot be read
    ├── QuotaError                1   one source of quotas does not answer; the next source is asked
    ├── StoreError                1   the database cannot be read or written
    │   ├── StoreUnavailable      1   the database became unavailable, and did not return within the time for retries
    │   └── LockHeld              1   another run is working on the database
    ├── TicketError               1   a ticket cannot be read or written
    ├── TreeError                 1   a tree index cannot be read, or has no such directory
    ├── PageError                 1   a page has nothing of that name, or nothing that the person may see
    ├── WorksError                1   a tree of works cannot be read, or a backlog cannot be loaded
    ├── LakeError                 1   an inventory cannot be loaded, or the lake cannot answer
    ├── LedgerError               1   events cannot be read, applied or sent
    ├── SplitError                1   the dumps cannot be split by group, or the result cannot be uploaded
    └── MpiError                  1   the MPI installation does not match the way in which lurge was started

The number is the exit status. Errors of volumes: 3 if another volume succeeded, 1 if none did.
Expected errors are shown without a traceback. Any other exception is a bug and is shown with one.
"""

from __future__ import annotations


def permission_advice(error: Exception) -> str | None:
    """Advice for a PermissionError, else None. Used for errors whose general advice is about malformed files."""
    return "Let this user read it: correct its permissions." if isinstance(error, PermissionError) else None


class LurgeError(Exception):
    """Something failed.

    message: the problem and its place (file, line or key). advice: the next step.
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
    """One volume fails. Nothing of it is stored, and the other volumes continue."""

    exit_status = 3


class DumpNotFound(VolumeError):
    """A volume has no dump, or no dump that is new enough."""

    advice = "Check dumps.directory and dumps.max_days_ago, and that wrstat ran for the volume."


class StreamError(VolumeError):
    """A dump is truncated, corrupt or unreadable: names the byte offset in the file."""

    advice = "Check the dump with `gzip -t`. Write it again, or wait for the next dump."


class BaseDirectoriesError(VolumeError):
    """A .basedirs file is missing or malformed: names the file and line."""

    advice = "Correct the file, or create one with `lurge basedirs`."


class TooManyRejected(VolumeError):
    """More lines are malformed than dumps.max_rejected_fraction allows."""

    advice = "Look at the sampled lines. Raise dumps.max_rejected_fraction only if such lines can be left out."


class ReconciliationError(VolumeError):
    """Independent counters of one volume do not add up: a defect in lurge or in the machine."""

    advice = "Nothing of the volume was stored. Run again; if the error remains, report it with the dump."


class RankError(VolumeError):
    """An unexpected exception in a process that works on a volume: names rank, host and reason."""

    advice = "See the log of that rank for the traceback."


class IdentityError(LurgeError):
    """Names of groups and users cannot be read: names the file and line, or the LDAP server and its answer."""

    advice = "Correct the file. Lines of groups: gid<TAB>name<TAB>PI; of users: uid<TAB>name."


class QuotaError(LurgeError):
    """A source of quotas does not answer. The next source is asked, and the job continues."""

    advice = "Check that lfs can be run here, or write <volume>.csv in quota.csv_directory (group,limit; KiB)."


class StoreError(LurgeError):
    """The database cannot be read or written. Data that was stored before is unchanged."""

    advice = "Check database.url, and the permissions and free space of the disk, then run again."


class StoreUnavailable(StoreError):
    """The database became unavailable (lost connection, deadlock, restart) for longer than the time for retries."""

    advice = "Check that the server runs and can be reached, then run again; it continues where it stopped."


class LockHeld(StoreError):
    """Another run is working on the database: names its process and its start."""

    advice = "Wait for the other run. The lock ends with its process; if the process hangs, end it."


class TicketError(LurgeError):
    """A ticket cannot be read or written."""

    advice = "See `lurge ticket list`; check tickets.directory and $JOB_DATA_BASEDIR."


class TreeError(LurgeError):
    """A tree index cannot be read, or has no such directory."""

    advice = "`lurge tree` without a path shows the volumes that have an index."


class PageError(LurgeError):
    """A page has nothing of that name, or nothing that the person may see."""

    advice = "Search for a part of the name."


class WorksError(LurgeError):
    """A tree of works cannot be read, or a backlog cannot be loaded."""

    advice = "Nothing of it was stored. Correct it, and run the same command again."


class LakeError(LurgeError):
    """An inventory cannot be loaded, or the lake cannot answer."""

    advice = "The table is as before. Correct the cause, and run the same command again."


class LedgerError(LurgeError):
    """Events cannot be read, applied or sent."""

    advice = "No event is lost. Correct the cause, and run the same command again."


class SplitError(LurgeError):
    """The dumps cannot be split by group, or the result cannot be uploaded."""

    advice = "Files published before are unchanged. Correct the cause and run `lurge split` again."


class MpiError(LurgeError):
    """The MPI installation does not match the way in which lurge was started."""

    advice = "Install lurge[mpi], and start with `lurge report -n RANKS` or with the mpiexec of the same installation."
