"""Call a user's function on one batch: arguments from Arrow, the result checked and in Arrow."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from typing import Any, TypeAlias

import attrs
import numpy as np
import pyarrow as pa

from geneva.transformer.arrow_values import arrow_values
from geneva.transformer.mismatch import RowMismatch
from geneva.transformer.python_rows import python_rows
from geneva.transformer.signature import UDFArgType
from geneva.transformer.udf import UDF
from geneva.transformer.wording import shortened

_SOME_ROWS = 64

Recover: TypeAlias = "Callable[[int, BaseException, Callable[[], Any], Callable[[], str]], Any]"
"""Is asked about a row that failed: its place in the batch, the error, what calls the function for
it again, and what words its inputs. Returns the row's value, None for one that is left out, or
raises what ends the batch."""


class CallFailed(Exception):  # noqa: N818 - it reports a failure, the user sees a UDFError
    """The function raised, or what it returned does not fit; internal to the applier.

    Attributes
    ----------
    row : int or None
        Row of the batch that failed; None when the function takes whole batches.
    cause : BaseException
        The user's exception, or the mismatch.
    computed : pa.Array
        Values of the rows before the failing one.
    inputs : str
        What the function was called with, shortened.
    function : int
        Which one failed, of several that are called on the same rows.
    """

    def __init__(
        self, row: int | None, cause: BaseException, computed: pa.Array, inputs: str
    ) -> None:
        super().__init__(str(cause))
        self.row = row
        self.cause = cause
        self.computed = computed
        self.inputs = inputs
        self.function = 0


class ReturnMismatch(Exception):  # noqa: N818
    """What a function returned does not fit the column's type."""


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
    """

    function: UDF
    columns: list[str]
    hints: list[Any]

    def set_up(self) -> None:
        """Call the function's ``setup()`` if it is an object that has one."""
        func = self.function.func
        setup = getattr(func, "setup", None)
        if not inspect.isroutine(func) and callable(setup):
            setup()

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
        if self.function.arg_type is UDFArgType.SCALAR:
            return self._compute_rows(batch, recover or _give_up)
        return self._compute_batch(batch)

    def _compute_rows(self, batch: pa.RecordBatch, recover: Recover) -> pa.Array:
        arguments = [
            python_rows(column, hint)
            for column, hint in zip(batch.columns, self.hints, strict=True)
        ]
        func, rows = self.function.func, list[Any]()

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
            return arrow_values(rows, self.function.data_type)
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
                    some = arrow_values(rows[start : start + _SOME_ROWS], self.function.data_type)
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
            return arrow_values(rows, self.function.data_type)
        except RowMismatch as mismatch:
            return arrow_values(rows[: mismatch.row], self.function.data_type)

    def _compute_batch(self, batch: pa.RecordBatch) -> pa.Array:
        whole = self.function.arg_type is UDFArgType.RECORD_BATCH
        arguments = [batch] if whole else batch.columns
        try:
            result = self.function.func(*arguments)
        except (Exception, SystemExit) as cause:
            raise CallFailed(None, cause, self._nothing(), _shape(batch)) from cause
        try:
            return _as_column(result, self.function.data_type, batch.num_rows)
        except ReturnMismatch as mismatch:
            raise CallFailed(None, mismatch, self._nothing(), _shape(batch)) from None

    def _nothing(self) -> pa.Array:
        return pa.array([], self.function.data_type)

    def _describe(self, values: list[Any]) -> str:
        return ", ".join(
            f"{name}={shortened(value)}" for name, value in zip(self.columns, values, strict=True)
        )


def bind(function: UDF, columns: list[str]) -> BoundFunction:
    """Bind a function to the columns it reads."""
    padded = (function.hints + [None] * len(columns))[: len(columns)]
    return BoundFunction(function=function, columns=columns, hints=padded)


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


def _as_column(result: Any, data_type: pa.DataType, rows: int) -> pa.Array:
    """Check and convert what an array or batch function returned."""
    try:
        array = _as_array(result, data_type)
    except (RowMismatch, pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ReturnMismatch(f"expected an Arrow array of {data_type}: {error}") from None
    if len(array) != rows:
        raise ReturnMismatch(f"expected {rows} values, one per row of the batch, got {len(array)}")
    if array.type == data_type:
        return array
    if _family(array.type) != _family(data_type):
        raise ReturnMismatch(f"expected an Arrow array of {data_type}, got one of {array.type}")
    try:
        return array.cast(data_type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ReturnMismatch(
            f"expected an Arrow array of {data_type}, got one of {array.type} that does not "
            f"convert without loss: {error}"
        ) from None


def _as_array(result: Any, data_type: pa.DataType) -> pa.Array:
    if isinstance(result, pa.Array):
        return result
    if isinstance(result, pa.ChunkedArray):
        return pa.concat_arrays(result.chunks) if result.num_chunks else pa.array([], result.type)
    if isinstance(result, pa.RecordBatch):
        return result.to_struct_array()
    if isinstance(result, np.ndarray):
        plain = result.ndim == 1 and result.dtype != object
        return pa.array(result) if plain else arrow_values(list(result), data_type)
    raise ReturnMismatch(
        f"expected an Arrow array of {data_type}, got {type(result).__name__} {shortened(result)}"
    )


def _family(data_type: pa.DataType) -> str:
    """Name the kinds of types between which a checked cast is what the user meant."""
    kinds = pa.types
    families = {
        "number": (kinds.is_integer, kinds.is_floating),
        "text": (kinds.is_string, kinds.is_large_string, kinds.is_string_view),
        "bytes": (kinds.is_binary, kinds.is_large_binary, kinds.is_binary_view),
        "list": (kinds.is_list, kinds.is_large_list, kinds.is_fixed_size_list),
        "timestamp": (kinds.is_timestamp,),
        "duration": (kinds.is_duration,),
        "decimal": (kinds.is_decimal,),
    }
    for family, tests in families.items():
        if any(test(data_type) for test in tests):
            return family
    if kinds.is_dictionary(data_type):
        return _family(data_type.value_type)
    return str(data_type)
