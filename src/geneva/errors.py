"""One tree of errors. Every message says what, which, expected, found, and what to do.

Every error is built from one message and may carry attributes set afterwards, so that all of them
pickle. Where Python has a built-in class for the same mistake, the error is also of that class:
``except ValueError`` around a wrong argument works as it does elsewhere.
"""

from __future__ import annotations

from typing import Any


class GenevaError(Exception):
    """Base of all errors that Geneva raises on purpose."""


# -- what the caller asked for ---------------------------------------------------------------


class InvalidArgumentError(GenevaError, ValueError):
    """An argument has a value that cannot be used; nothing was written."""


class ColumnNotFoundError(InvalidArgumentError):
    """A column that was named does not exist in the table."""


class NotComputedError(InvalidArgumentError):
    """The column exists but no function computes it."""


class FilterError(InvalidArgumentError):
    """A ``where`` expression does not parse or names unknown columns."""


class TableNotFoundError(GenevaError, ValueError):
    """No table of that name is in the database, or it was dropped meanwhile."""


class JobNotFoundError(GenevaError, ValueError):
    """No job of that id is recorded with the database."""


class TypeHintError(GenevaError, ValueError):
    """A type hint has no Arrow type."""


class InputTypeError(GenevaError, ValueError):
    """A function's parameter cannot take the column that is bound to it."""


class UnpicklableFunctionError(GenevaError, TypeError):
    """A function captures an object that cannot be sent to workers."""


class UntrustedFunctionError(GenevaError, RuntimeError):
    """A stored function is not signed with this process's key, or was altered; it was not run."""


class ResourcesUnavailableError(GenevaError, RuntimeError):
    """Not even one applier of the requested size could ever run."""


# -- what the user's function did --------------------------------------------------------------


class UDFError(GenevaError, RuntimeError):
    """The user's function raised; its own exception is the ``__cause__``.

    Attributes
    ----------
    udf_name : str
        Name of the function.
    row_id : int or None
        ``_rowid`` of the failing row; None when a whole batch was given to the function.
    fragment_id, row_offset : int
        Fragment and physical offset in it of the failing row, or of the batch's first row.
    inputs : str
        The inputs of the failing call, shortened.
    user_traceback : str
        The traceback as it was in the worker, from the user's function on.
    """

    udf_name: str = ""
    row_id: int | None = None
    fragment_id: int = -1
    row_offset: int = -1
    inputs: str = ""
    user_traceback: str = ""


class WrongReturnTypeError(UDFError, TypeError):
    """The function returned a value that does not fit the column's type."""


# -- what happened to the job ------------------------------------------------------------------


class BackfillTimeoutError(GenevaError, TimeoutError):
    """The job reached its ``timeout`` and was stopped; what was computed is kept."""


class StalledError(GenevaError, RuntimeError):
    """Nothing happened in the job for ``stall_timeout`` seconds; what was computed is kept."""


class JobCancelledError(GenevaError, RuntimeError):
    """The job was cancelled; what was computed is kept."""


class JobPausedError(GenevaError, RuntimeError):
    """The job was paused; what was computed is kept, and ``resume()`` goes on with it.

    Attributes
    ----------
    by : str
        Who paused it, ``user@host``.
    """

    by: str = ""


class ImpossibleTransitionError(GenevaError, RuntimeError):
    """A job cannot get from the state that it is in to the one that is asked for."""


class ColumnBusyError(GenevaError, RuntimeError):
    """Another job computes the same column; nothing was written.

    Attributes
    ----------
    job_id : str
        The other job.
    host : str
        Machine on which it is driven.
    since : str
        When it began, ISO 8601.
    """

    job_id: str = ""
    host: str = ""
    since: str = ""


class TableChangedError(GenevaError, RuntimeError):
    """Somebody dropped or changed the table or the column while it was being computed."""


class DamagedFileError(GenevaError, OSError):
    """A file of the table is gone or not what it was; ``Table.verify()`` says what repairs it."""


class CommitError(GenevaError, RuntimeError):
    """A version of the table could not be committed."""


class FatalWorkerError(GenevaError, RuntimeError):
    """A worker process was lost more often than the job allows."""


class FatalWorkerCrashError(FatalWorkerError):
    """Workers were killed by a signal such as SIGSEGV while they ran the function."""


class FatalWorkerOOMError(FatalWorkerError):
    """Workers were killed with SIGKILL, as the kernel does when memory runs out."""


class FatalWorkerExitError(FatalWorkerError):
    """Workers exited, for example because the function called ``os._exit``."""


class FatalWorkerHardwareError(FatalWorkerError):
    """Workers were lost with their nodes more often than the job allows."""


class FatalWorkerTransientError(FatalWorkerError):
    """Workers were lost for a reason that is expected to pass."""


class RowTimeoutError(FatalWorkerError, TimeoutError):
    """The function did not return for a row within ``row_timeout``."""


class SkipThresholdExceededError(GenevaError, RuntimeError):
    """More rows failed than the job allows; those computed before are kept.

    Attributes
    ----------
    skipped, processed : int
        Rows that failed, and rows that were done by then, those that failed included.
    max_count : int or None
        Most rows that may fail, as a number.
    max_fraction : float or None
        The same as a share of the job's rows.
    """

    skipped: int = 0
    processed: int = 0
    max_count: int | None = None
    max_fraction: float | None = None


class DriverLostError(FatalWorkerHardwareError):
    """The driver of a job is gone for good; a new backfill goes on from what is kept."""


class ClusterUnreachableError(GenevaError, ConnectionError):
    """A Ray cluster cannot be reached, or cannot be reached any more."""


class WorkerStartError(FatalWorkerError):
    """A worker process could not be started."""


class WorkerStorageError(FatalWorkerError, OSError):
    """A worker on another node cannot read or write what the caller can."""


class EnvironmentMismatchError(FatalWorkerError):
    """A worker's Python, Arrow, Lance or Geneva is not the caller's."""


class MissingExtraError(GenevaError, ImportError):
    """A package that only some users need is not installed; the message names the command."""


def with_details(error: GenevaError, **details: Any) -> GenevaError:
    """Set attributes on an error and return it, for ``raise with_details(...)``."""
    for name, value in details.items():
        setattr(error, name, value)
    return error
