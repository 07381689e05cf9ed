"""Run a function on a sample of a table, without writing, and tell each step.

Steps are told one by one, before and after each call: when the function crashes its process or
never ends, whoever listens knows with which row.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import TypeAlias

import pyarrow as pa

from geneva.jobs.commands import JobContext
from geneva.jobs.preview import RowFailure
from geneva.pipeline.environment import check_environment
from geneva.pipeline.failure import FailedPlace, PackedError, call_error, pack_error, setup_error
from geneva.pipeline.letting_go import let_go
from geneva.pipeline.peak_memory import PeakMemory
from geneva.storage.dataset import Dataset, open_dataset
from geneva.storage.files import TableFiles
from geneva.storage.packed_functions import bound_function
from geneva.storage.sample import RowPlace, read_sample, with_addresses
from geneva.transformer.binding import BoundFunction
from geneva.transformer.call_failure import CallFailed
from geneva.transformer.signature import UDFArgType

# A function that is slower is not called twice, and what a call costs around it does not count.
_FAST_S = 1e-3


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A function to run on a sample.

    Attributes
    ----------
    context : JobContext
        Table, version and column, as for a job.
    limit : int
        Most rows.
    where : str or None
        Filter that selects rows.
    fragments : tuple of int or None
        Fragments to read from; None for all.
    packed : bytes or None
        The pickled function; None reads the column's own.
    calls : int
        Calls into which rows are divided at least, for a function that takes batches.
    scattered : bool
        Whether the rows are to speak for all: from random places, and computed all in one call once
        more, if the function is fast.
    first : int
        First row of the sample to compute; those before were tried by a process that is gone.
    singly_until : int
        Rows before this one are computed one by one, whatever the function takes.
    """

    context: JobContext
    limit: int
    where: str | None = None
    fragments: tuple[int, ...] | None = None
    packed: bytes | None = None
    calls: int = 1
    scattered: bool = False
    first: int = 0
    singly_until: int = 0


@dataclass(frozen=True, slots=True)
class SampleRead:
    """The rows are read."""

    places: tuple[RowPlace, ...]
    inputs: pa.RecordBatch
    data_type: pa.DataType


@dataclass(frozen=True, slots=True)
class FunctionReady:
    """The function is loaded and set up."""

    seconds: float
    held_bytes: int
    ready_bytes: int
    takes_batches: bool


@dataclass(frozen=True, slots=True)
class CallBegun:
    """The function is called for rows ``[first, stop)`` of the sample."""

    first: int
    stop: int


@dataclass(frozen=True, slots=True)
class CallReturned:
    """The call is over: with values, or with why there are none."""

    first: int
    stop: int
    seconds: float
    memory_bytes: int | None
    peak_bytes: int
    values: pa.Array | None
    failure: RowFailure | None = None


@dataclass(frozen=True, slots=True)
class RehearsalEnded:
    """Nothing follows.

    Attributes
    ----------
    error : PackedError or None
        Why not all rows were tried.
    together_s : float or None
        Seconds per row in one call for all of them.
    """

    error: PackedError | None = None
    together_s: float | None = None


Step: TypeAlias = "SampleRead | FunctionReady | CallBegun | CallReturned | RehearsalEnded"


@dataclass(frozen=True, slots=True)
class StepTaken:
    """A step, with the call that it belongs to, on its way between processes."""

    call_id: str
    step: Step


def rehearse(
    rehearsal: Rehearsal,
    tell: Callable[[Step], None],
    memory: PeakMemory | None,
    place: str = "",
) -> None:
    """Run a function on a sample; whatever is wrong is told, not raised.

    Parameters
    ----------
    rehearsal
        What to run.
    tell
        Takes the steps.
    memory
        Measures this process; None where it is not the function's own.
    place
        What the user reads for this process where there are several machines.
    """
    try:
        together_s = _Rehearsing(rehearsal, tell, memory).run(place)
    except CallFailed:
        tell(RehearsalEnded())  # It computed each row before; what it does once more is its own.
    except (Exception, SystemExit) as error:  # noqa: BLE001 - travels to the caller
        tell(RehearsalEnded(pack_error(error)))
    else:
        tell(RehearsalEnded(together_s=together_s))


class _Rehearsing:
    def __init__(
        self, rehearsal: Rehearsal, tell: Callable[[Step], None], memory: PeakMemory | None
    ) -> None:
        self._asked = rehearsal
        self._context = rehearsal.context
        self._tell = tell
        self._memory = memory
        self._peak_bytes = 0
        self._kept: dict[int, float] = {}

    def run(self, place: str) -> float | None:
        """Read, load, call; return what :attr:`RehearsalEnded.together_s` says."""
        asked, context = self._asked, self._context
        check_environment(context.versions, place)
        dataset = open_dataset(context.location, context.version)
        columns = list(context.column.input_columns)
        self._places, self._inputs = read_sample(
            dataset,
            columns,
            asked.limit,
            asked.where,
            fragments=asked.fragments,
            scattered=asked.scattered,
        )
        self._tell(SampleRead(self._places, self._inputs, context.column.data_type))
        if not self._places:
            return None
        self._bound = self._set_up(dataset)
        self._given = with_addresses(self._inputs, self._places, self._bound.openers)
        try:
            for first, stop in self._divided():
                self._call(first, stop)
            return self._together() if asked.scattered else None
        finally:
            let_go(self._bound, place)

    def _set_up(self, dataset: Dataset) -> BoundFunction:
        context, packed = self._context, self._asked.packed
        self._begin_measuring()
        held_bytes = self._peak_bytes
        started = time.perf_counter()
        data = TableFiles(context.location).read(context.column.payload) if packed is None else None
        table, key = context.location.name, context.signing_key
        payload = [data or pa.py_buffer(packed)]
        bound = bound_function(context.column, payload, table, key, dataset)
        try:
            bound.set_up()
        except (Exception, SystemExit) as cause:
            raise setup_error(context, cause) from cause
        seconds = time.perf_counter() - started
        self._note_peak()
        ready_bytes = self._begin_measuring()
        batches = bound.function.arg_type is not UDFArgType.SCALAR
        self._tell(FunctionReady(seconds, held_bytes, ready_bytes, batches))
        return bound

    def _divided(self) -> list[tuple[int, int]]:
        """Return the rows of each call: one by one, or in batches as a job would have them."""
        asked, rows = self._asked, len(self._places)
        size = 1
        if self._bound.function.arg_type is not UDFArgType.SCALAR:
            size = max(1, -(-rows // asked.calls))
            size = min(size, self._context.batch_size or size)
        singly = min(max(asked.first, asked.singly_until), rows)
        return [
            *((i, i + 1) for i in range(asked.first, singly)),
            *((i, min(rows, i + size)) for i in range(singly, rows, size)),
        ]

    def _call(self, first: int, stop: int) -> None:
        """Call the function for some rows, and for each alone if that fails."""
        self._tell(CallBegun(first, stop))
        before_bytes = self._begin_measuring()
        started = time.perf_counter()
        values: pa.Array | None = None
        failure: RowFailure | None = None
        try:
            values = self._bound.compute(self._given.slice(first, stop - first))
        except CallFailed as failed:
            failure = self._failure(failed, first, stop)
        seconds = time.perf_counter() - started
        used_bytes = self._note_peak() - before_bytes if self._memory is not None else None
        self._tell(
            CallReturned(first, stop, seconds, used_bytes, self._peak_bytes, values, failure)
        )
        if failure is None:
            self._kept |= dict.fromkeys(range(first, stop), seconds)
        elif stop - first > 1:
            for i in range(first, stop):
                self._call(i, i + 1)

    def _failure(self, failed: CallFailed, first: int, stop: int) -> RowFailure:
        at = self._places[first + (failed.row or 0)]
        place = FailedPlace(at.fragment_id, at.offset, stop - first, at.row_id)
        error = call_error(self._context, failed, place)
        cause = error.__cause__
        if cause is None:  # What it returned does not fit.
            return RowFailure(
                type(error).__name__, getattr(failed.cause, "what", str(failed.cause))
            )
        return RowFailure(type(cause).__name__, str(cause), error.user_traceback)

    def _together(self) -> float | None:
        """Return the time per row of one call for all rows, if what is around a call matters."""
        kept = self._kept
        if not kept or median(kept.values()) > _FAST_S:
            return None
        batch = self._given.take(pa.array(list(kept)))
        seconds = []
        for _ in range(3):
            started = time.perf_counter()
            self._bound.compute(batch)
            seconds.append(time.perf_counter() - started)
        return min(seconds) / len(kept)

    def _begin_measuring(self) -> int:
        if self._memory is None:
            return 0
        self._memory.reset()
        return self._note_peak()

    def _note_peak(self) -> int:
        now_bytes = 0 if self._memory is None else self._memory.bytes
        self._peak_bytes = max(self._peak_bytes, now_bytes)
        return now_bytes
