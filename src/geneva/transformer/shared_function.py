"""Several functions that are called on the same rows, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import pyarrow as pa

from geneva.transformer.binding import BoundFunction, Opener
from geneva.transformer.call_failure import CallFailed, Recover


@attrs.frozen
class SharedFunction:
    """Functions with the columns that all of them read; computes batches for all.

    Attributes
    ----------
    functions : list of BoundFunction
        The functions.
    columns : list of str
        The columns of a batch; each function is given its own.
    data_type : pa.DataType
        Struct with a field for each function.
    """

    functions: Sequence[BoundFunction]
    columns: list[str]
    data_type: pa.DataType

    @property
    def openers(self) -> dict[str, Opener]:
        """None: a function that reads blobs lazily shares no pass."""
        return {}

    @property
    def is_async(self) -> bool:
        """False: an async function shares no pass."""
        return False

    def set_up(self) -> None:
        """Call the functions' ``setup()``."""
        for function in self.functions:
            function.set_up()

    def compute(
        self,
        batch: pa.RecordBatch,
        recover: Recover | None = None,  # noqa: ARG002 - functions with a policy share no pass
    ) -> pa.Array:
        """Compute one batch: structs, of the values of each function.

        Raises
        ------
        CallFailed
            One of the functions failed, which ``failed.function`` says by its place.
        """
        arrays: list[pa.Array] = []
        for function in self.functions:
            given = [batch.column(self.columns.index(name)) for name in function.columns]
            try:
                mine = pa.RecordBatch.from_arrays(given, names=function.columns)
                arrays.append(function.compute(mine))
            except CallFailed as failed:
                failed.function = len(arrays)
                # Those that come after it were not called for these rows.
                last = function is self.functions[-1]
                kept = [*arrays, failed.computed] if last else []
                rows = len(failed.computed) if last else 0
                failed.computed = self._joined([array.slice(0, rows) for array in kept])
                raise
        return self._joined(arrays)

    def _joined(self, arrays: list[pa.Array]) -> pa.Array:
        if not arrays:
            return pa.array([], self.data_type)
        pairs = zip(arrays, self.data_type, strict=True)
        cast = [a if a.type == field.type else a.cast(field.type) for a, field in pairs]
        return pa.StructArray.from_arrays(cast, fields=list(self.data_type))
