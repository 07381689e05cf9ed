"""Failures of the user's function: what the user reads, and how it travels between processes."""

from __future__ import annotations

import contextlib
import pickle
import sys
import traceback
from dataclasses import dataclass
from types import TracebackType

import cloudpickle
import numpy as np

from geneva.errors import (
    FatalWorkerError,
    GenevaError,
    UDFError,
    WorkerStorageError,
    WrongReturnTypeError,
    with_details,
)
from geneva.jobs.commands import JobContext
from geneva.pipeline.outcome import RowFailure
from geneva.storage.failures import FailedRow
from geneva.transformer.call_failure import CallFailed
from geneva.transformer.mismatch import ReturnMismatch, RowMismatch


@dataclass(frozen=True, slots=True)
class FailedPlace:
    """Where a call failed: one row, or a batch that begins at ``offset``."""

    fragment_id: int
    offset: int
    rows: int
    row_id: int | None


class WorkerTraceback(Exception):  # noqa: N818 - a text that is shown as a cause
    """The traceback of an exception as it was in a worker process."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f"in a worker process:\n{self.text}"


def call_error(context: JobContext, failed: CallFailed, place: FailedPlace) -> UDFError:
    """Build the error for a call of the function that failed."""
    column = context.column
    target = f"{context.location.name}.{column.name}"
    position = f"fragment {place.fragment_id}, offset {place.offset}"
    if place.row_id is None:
        where = f"a batch of {place.rows} rows ({position} onwards)"
    else:
        where = f"row {place.row_id} ({position})"
    mismatch = isinstance(failed.cause, (RowMismatch, ReturnMismatch))
    fix = "Fix the function and attach it with alter_columns(), or leave the row out with where="
    if isinstance(failed.cause, ImportError):
        fix = "Install the module where workers run, or import it outside of the function"
    what = "returned a wrong value for" if mismatch else "failed on"
    message = (
        f"{column.udf_name} {what} {where} of {target}: {_in_words(failed.cause)}\n"
        f"  inputs: {failed.inputs}\n"
        f"  The rows computed before are kept. {fix}, and run the backfill again."
    )
    error = (WrongReturnTypeError if mismatch else UDFError)(message)
    with_details(
        error,
        udf_name=column.udf_name,
        row_id=place.row_id,
        fragment_id=place.fragment_id,
        row_offset=place.offset,
        inputs=failed.inputs,
        user_traceback="" if mismatch else _user_traceback(failed.cause),
    )
    if not mismatch:
        _restore_class(failed.cause)
        error.__cause__ = failed.cause
    return error


def failed_row(failure: RowFailure, fragment_id: int, offsets: np.ndarray) -> FailedRow:
    """Return what is stored of a row that was left out."""
    offset = int(offsets[failure.row])
    return _in_store(failure.error, fragment_id, offset, failure.attempts, failure.inputs)


def failed_call(failed: CallFailed, place: FailedPlace, attempts: int) -> FailedRow:
    """Return what is stored of a call that ends the job; for a whole batch no row is named."""
    offset = place.offset if failed.row is not None else -1
    return _in_store(failed.cause, place.fragment_id, offset, attempts, failed.inputs)


def _in_store(
    error: BaseException, fragment_id: int, offset: int, attempts: int, inputs: str
) -> FailedRow:
    mismatch = isinstance(error, (RowMismatch, ReturnMismatch))
    return FailedRow(
        fragment_id=fragment_id,
        offset=offset,
        error_type=WrongReturnTypeError.__name__ if mismatch else type(error).__name__,
        message=_in_words(error) if mismatch else str(error),
        traceback="" if mismatch else _user_traceback(error),
        attempts=attempts,
        inputs=inputs,
    )


def setup_error(context: JobContext, cause: BaseException) -> UDFError:
    """Build the error for a ``setup()`` that failed."""
    name = context.column.udf_name
    error = UDFError(f"setup() of {name} failed in a worker: {_in_words(cause)}")
    with_details(error, udf_name=name, user_traceback=_user_traceback(cause))
    return error


def placed_error(error: BaseException, place: str) -> BaseException:
    """Say which component failed where, if that is not the user's function.

    Parameters
    ----------
    error
        What was raised.
    place
        The component and its node; empty on one machine, where an error is not worded anew.
    """
    if not place or isinstance(error, KeyboardInterrupt):
        return error
    if isinstance(error, GenevaError):
        if place not in str(error) and error.args:
            error.args = (f"{error.args[0]}\n  in {place}", *error.args[1:])
        return error
    fix = "Its node may lack what the caller has: credentials, a mounted folder, a network route."
    if isinstance(error, ImportError):
        fix = "Install the module on that node, or let the function import it only when it runs."
    # Lance raises what a store answers as one of several built-in errors.
    storage = isinstance(error, OSError) or "LanceError(IO)" in str(error)
    kind = WorkerStorageError if storage else FatalWorkerError
    placed = kind(f"{place} failed: {_in_words(error)}. {fix} What was computed before is kept.")
    placed.__cause__ = error.__cause__ or error
    return placed


@dataclass(frozen=True, slots=True)
class PackedError:
    """An error with its cause in a form that crosses process borders.

    Exceptions do not pickle their causes or tracebacks, and the user's exception may not pickle at
    all; its text always travels.
    """

    payload: bytes
    cause: bytes | None
    text: str


def pack_error(error: BaseException) -> PackedError:
    """Pack an error in the process where it was raised."""
    cause = error.__cause__
    text = getattr(error, "user_traceback", "")
    if not isinstance(error, GenevaError):
        text = "".join(traceback.format_exception(error))
    return PackedError(
        payload=_pickled(error) or _pickled(GenevaError(str(error))) or b"",
        cause=None if cause is None else _pickled(cause),
        text=text,
    )


def traceback_of(error: BaseException) -> str:
    """Return an error's traceback as text: from the user's function on, if it is of that."""
    text: str = getattr(error, "user_traceback", "")
    return text or "".join(traceback.format_exception(error))


def unpack_error(packed: PackedError) -> Exception:
    """Return the error with the user's exception and the worker's traceback as its causes."""
    error: Exception = pickle.loads(packed.payload)
    remote = WorkerTraceback(packed.text) if packed.text else None
    if packed.cause is None:
        error.__cause__ = remote
        return error
    try:
        cause = pickle.loads(packed.cause)
    except Exception:  # noqa: BLE001 - the user's class may refuse; its traceback is kept
        cause = None
    if isinstance(cause, BaseException):
        _restore_class(cause)
        cause.__cause__ = remote
        error.__cause__ = cause
    else:
        error.__cause__ = remote
    return error


def _restore_class(cause: BaseException) -> None:
    """Give an exception whose class travelled by value the class that the caller knows.

    Otherwise ``isinstance(error.__cause__, MyError)`` would be false for a class of the caller's
    main module.
    """
    kind = type(cause)
    known: object = sys.modules.get(kind.__module__)
    for step in kind.__qualname__.split("."):
        known = getattr(known, step, None)
    if isinstance(known, type) and known is not kind:
        with contextlib.suppress(TypeError):  # The classes differ in their layout.
            cause.__class__ = known


def _pickled(error: BaseException) -> bytes | None:
    try:
        data: bytes = cloudpickle.dumps(error)
        pickle.loads(data)
    except Exception:  # noqa: BLE001 - a user's exception may hold anything
        return None
    return data


def _in_words(cause: BaseException) -> str:
    if isinstance(cause, RowMismatch):
        return cause.what
    if isinstance(cause, ReturnMismatch):
        return str(cause)
    return "".join(traceback.format_exception_only(type(cause), cause)).strip()


def user_frames(cause: BaseException) -> TracebackType | None:
    """Return the traceback from the user's own frames on, without Geneva's that called them."""
    trace = cause.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith("geneva."):
        trace = trace.tb_next
    return trace


def _user_traceback(cause: BaseException) -> str:
    return "".join(traceback.format_exception(type(cause), cause, user_frames(cause)))
