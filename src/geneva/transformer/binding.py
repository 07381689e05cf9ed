"""Call a user's function on one batch: arguments from Arrow, the result checked and in Arrow."""

from __future__ import annotations

import collections.abc
import contextlib
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs
import pyarrow as pa

from geneva.transformer.arrow_values import arrow_values, column_type
from geneva.transformer.call_failure import CallFailed, Recover
from geneva.transformer.mismatch import ReturnMismatch, RowMismatch
from geneva.transformer.pieces import Streams, WrongPieces, gathered
from geneva.transformer.python_rows import python_rows
from geneva.transformer.returned import as_array, as_column
from geneva.transformer.signature import UDFArgType
from geneva.transformer.udf import UDF
from geneva.transformer.wording import shortened

if TYPE_CHECKING:
    from geneva.transformer.event_loop import Calls, EventLoop

_SOME_ROWS = 64

Opener = Callable[[pa.Array], list[Any]]


@attrs.frozen
class BoundFunction:
    """A function with the columns it reads; computes batches.

    Attributes
    ----------
    function : UDF
        The function.
    columns : list of str
        Columns in the order of the parameters.
    hints : list
        Annotation of each parameter, None where there is none.
    openers : dict of str to callable
        For columns that are given as places, what makes the values of a batch from them.
    """

    function: UDF
    columns: list[str]
    hints: list[Any]
    openers: dict[str, Opener] = attrs.field(factory=dict)
    _begun: dict[int, tuple[pa.RecordBatch, Calls]] = attrs.field(factory=dict, init=False)
    _held: _Held = attrs.field(factory=lambda: _Held(), init=False)

    @property
    def data_type(self) -> pa.DataType:
        """Type of what is computed."""
        return column_type(self.function.data_type)

    @property
    def loop(self) -> EventLoop:
        """Where the calls of an async function run; begun when it is first needed."""
        if self._held.loop is None:
            # Loaded, with asyncio, only for async functions.
            from geneva.transformer.event_loop import DEFAULT_IN_FLIGHT, EventLoop

            self._held.loop = EventLoop(self.function.max_in_flight or DEFAULT_IN_FLIGHT)
        return self._held.loop

    @property
    def is_async(self) -> bool:
        """Whether its calls are awaited."""
        return self.function.is_async

    @property
    def runs_ahead(self) -> bool:
        """Whether rows are called for before their batch is computed; see :meth:`begin`."""
        return self.function.is_async and self.function.arg_type is UDFArgType.SCALAR

    @property
    def call(self) -> Callable[..., Any]:
        """What is called: the function, within the bounds that it was given."""
        return self._held.call or self.function.func

    def bound_calls(self, bounded: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        """Call from now on what ``bounded`` makes of the function."""
        self._held.call = bounded(self.function.func)

    def set_up(self) -> None:
        """Call the function's ``setup()`` if it is an object that has one."""
        try:
            self._call_if_there("setup")
        except BaseException:
            self._release(0.0)
            raise

    def tear_down(self, timeout_s: float = 10.0) -> None:
        """Call the function's ``teardown()`` if it is an object that has one, and let go of it.

        Raises
        ------
        Exception
            What ``teardown()`` raises, or TimeoutError where it is async and takes too long.
        """
        try:
            if self._held.streams is not None:
                self._held.streams.close()
            self._call_if_there("teardown", timeout_s)
        finally:
            self._release(1.0)

    def _call_if_there(self, name: str, timeout_s: float | None = None) -> None:
        func = self.function.func
        method = getattr(func, name, None)
        if inspect.isroutine(func) or not callable(method):
            return
        # What an async function opens belongs to its loop, also where the method is not async.
        if self.function.is_async or inspect.iscoroutinefunction(method):
            self.loop.call(method, timeout_s)
        else:
            method()

    def _release(self, timeout_s: float) -> None:
        if self._held.loop is not None:
            self._held.loop.close(timeout_s)
            self._held.loop = None

    def begin(self, batch: pa.RecordBatch) -> Calls:
        """Begin the calls of an async function for a batch that :meth:`compute` is given later."""
        calls = self.loop.start(self.call, self._arguments(batch))
        # The batch itself is kept, so no other one can have its id meanwhile.
        self._begun[id(batch)] = (batch, calls)
        return calls

    def adopt(self, batch: pa.RecordBatch, calls: Calls) -> None:
        """Take calls that have ended as those of a batch that :meth:`compute` is given next."""
        self._begun[id(batch)] = (batch, calls)

    def forget(self, batch: pa.RecordBatch, calls: Calls) -> None:
        """Cancel the calls that were begun for a batch."""
        self._begun.pop(id(batch), None)
        self.loop.cancel(calls)

    def compute(self, batch: pa.RecordBatch, recover: Recover | None = None) -> pa.Array:
        """Compute one batch.

        Parameters
        ----------
        batch : pa.RecordBatch
            The input columns, in the order of the parameters.
        recover : callable or None
            Is asked about each row that fails, where the function is called per row; None lets the
            first one end the batch.

        Returns
        -------
        pa.Array
            As many values as the batch has rows, of the column's type.

        Raises
        ------
        CallFailed
            The function raised or returned something that does not fit.
        """
        if self.runs_ahead:
            return self._compute_calls(batch)
        if self.function.arg_type is UDFArgType.SCALAR:
            return self._compute_rows(batch, recover or _give_up)
        return self._compute_batch(batch)

    def _arguments(self, batch: pa.RecordBatch) -> list[list[Any]]:
        """Return the arguments of all calls, one list per parameter."""
        return [
            self.openers[name](column) if name in self.openers else python_rows(column, hint)
            for name, column, hint in zip(self.columns, batch.columns, self.hints, strict=True)
        ]

    def _compute_calls(self, batch: pa.RecordBatch) -> pa.Array:
        from geneva.transformer.outcomes import settled

        if id(batch) not in self._begun:
            self.begin(batch)
        _, calls = self._begun.pop(id(batch))
        self.loop.wait(calls)
        values, failures = settled(calls.outcomes, self.data_type)
        if not failures:
            return values
        described = [
            (row, cause, self._describe([column[row] for column in calls.arguments]))
            for row, cause in failures
        ]
        (row, cause, inputs), *later = described
        rest = (values.slice(row + 1), tuple(later))
        raise CallFailed(row, cause, values.slice(0, row), inputs, rest) from cause

    def _compute_rows(self, batch: pa.RecordBatch, recover: Recover) -> pa.Array:
        arguments = self._arguments(batch)
        func, rows = self.call, list[Any]()

        def recovered(row: int, cause: BaseException) -> Any:
            values = [column[row] for column in arguments]
            try:
                return recover(row, cause, lambda: func(*values), lambda: self._describe(values))
            except (Exception, SystemExit) as final:
                raise CallFailed(
                    row, final, self._convertible(rows[:row]), self._describe(values)
                ) from final

        # It goes on after the row for which it raised.
        results = map(func, *arguments)
        while len(rows) < batch.num_rows:
            raised: BaseException | None = None
            try:
                # extend() keeps what the iterator gave before it raised: the failing row is next.
                rows.extend(results)
                _check_not_ended(len(rows), batch.num_rows)
            except (Exception, SystemExit) as cause:  # noqa: BLE001 - user code
                raised = cause
            # Not inside of the handler: what is raised now has nothing to do with it.
            if raised is not None:
                rows.append(recovered(len(rows), raised))
        with contextlib.suppress(RowMismatch):
            return arrow_values(rows, self.data_type)
        return self._converted(rows, recovered)

    def _converted(
        self, rows: list[Any], recovered: Callable[[int, BaseException], Any]
    ) -> pa.Array:
        """Convert rows some of which do not fit, asking about each of these."""
        pieces = [self._nothing()]
        for start in range(0, len(rows), _SOME_ROWS):
            some = None
            while some is None:
                found: RowMismatch | None = None
                try:
                    some = arrow_values(rows[start : start + _SOME_ROWS], self.data_type)
                except RowMismatch as mismatch:
                    found = mismatch
                if found is not None:
                    row = start + found.row
                    rows[row] = recovered(row, found)
            pieces.append(some)
        return pa.concat_arrays(pieces)

    def _convertible(self, rows: list[Any]) -> pa.Array:
        """Convert the rows up to the first one that does not fit."""
        try:
            return arrow_values(rows, self.data_type)
        except RowMismatch as mismatch:
            return arrow_values(rows[: mismatch.row], self.data_type)

    def _compute_batch(self, batch: pa.RecordBatch) -> pa.Array:
        rows = batch.num_rows
        try:
            result = self._result(batch)
        except WrongPieces as wrong:
            mismatch: Exception = ReturnMismatch(str(wrong))
        except ReturnMismatch as found:
            mismatch = found
        except (Exception, SystemExit) as cause:
            raise CallFailed(None, cause, self._nothing(), _shape(batch)) from cause
        else:
            try:
                return as_column(result, self.data_type, rows)
            except ReturnMismatch as found:
                mismatch = found
        raise CallFailed(None, mismatch, self._nothing(), _shape(batch)) from None

    def _result(self, batch: pa.RecordBatch) -> Any:
        """Return what the function returns for a batch; all pieces together if it yields."""
        function, rows = self.function, batch.num_rows
        func = self.call
        whole = function.arg_type is UDFArgType.RECORD_BATCH
        arguments = [batch] if whole else batch.columns
        if function.takes_batches:
            if self._held.streams is None:
                self._held.streams = Streams(func)
            return self._joined(self._held.streams.pieces(arguments[0], rows, self._size_of))
        if function.is_async:
            return self.loop.call(lambda: func(*arguments))
        result = func(*arguments)
        if isinstance(result, collections.abc.Iterator):
            return self._joined(gathered(result, rows, self._size_of))
        return result

    def _size_of(self, piece: Any) -> int:
        return len(as_array(piece, self.data_type))

    def _joined(self, pieces: list[Any]) -> pa.Array:
        data_type = self.data_type
        arrays = [as_array(piece, data_type) for piece in pieces]
        # Each is converted on its own: they may differ in their types.
        return pa.concat_arrays([as_column(array, data_type, len(array)) for array in arrays])

    def _nothing(self) -> pa.Array:
        return pa.nulls(0, self.data_type)

    def _describe(self, values: list[Any]) -> str:
        return ", ".join(
            f"{name}={shortened(value)}" for name, value in zip(self.columns, values, strict=True)
        )


@attrs.define
class _Held:
    """What a function keeps between batches."""

    call: Callable[..., Any] | None = None
    loop: EventLoop | None = None
    streams: Streams | None = None


def bind(
    function: UDF, columns: list[str], openers: dict[str, Opener] | None = None
) -> BoundFunction:
    """Bind a function to the columns it reads; ``openers`` make the values of some of them."""
    padded = (function.hints + [None] * len(columns))[: len(columns)]
    return BoundFunction(function=function, columns=columns, hints=padded, openers=openers or {})


def _check_not_ended(computed: int, rows: int) -> None:
    # A StopIteration from the function ends map() quietly.
    if computed < rows:
        raise StopIteration("raised by the function")


def _give_up(
    row: int,  # noqa: ARG001 - see Recover
    cause: BaseException,
    again: Callable[[], Any],  # noqa: ARG001
    inputs: Callable[[], str],  # noqa: ARG001
) -> Any:
    raise cause


def _shape(batch: pa.RecordBatch) -> str:
    return f"a batch of {batch.num_rows} rows with columns {', '.join(batch.schema.names)}"
