"""Run a function for one row in the caller's own thread, so that a debugger can step in."""

from __future__ import annotations

import warnings
from typing import Any

from geneva.config import signing_key
from geneva.errors import TableNotFoundError, WrongReturnTypeError
from geneva.pipeline.failure import user_frames
from geneva.pipeline.trust import check_trust
from geneva.storage.dataset import Dataset, open_dataset
from geneva.storage.definitions import computed_column
from geneva.storage.files import TableFiles
from geneva.storage.model import ComputedColumn, TableLocation
from geneva.storage.packed_functions import bound_function
from geneva.storage.sample import read_row, with_addresses
from geneva.transformer.call_failure import CallFailed
from geneva.transformer.mismatch import ReturnMismatch, RowMismatch


def replay(
    location: TableLocation, column: ComputedColumn, row_id: int, version: int | None
) -> Any:
    """Compute one row as a worker does, here.

    Parameters
    ----------
    location, column
        The table and the column, with the function to call.
    row_id
        The row's ``_rowid``.
    version
        Version of the table to read. If it is gone, or None, the latest is read; the former is
        said in a warning.

    Returns
    -------
    object
        The value that the column would hold.

    Raises
    ------
    InvalidArgumentError
        There is no such row at that version.
    WrongReturnTypeError
        What the function returned does not fit the column.
    """
    dataset = _at(location, version)
    columns = list(column.input_columns)
    place, inputs = read_row(dataset, columns, row_id)
    check_trust(location, column, warnings.warn)
    packed = TableFiles(location).read(column.payload)
    bound = bound_function(column, [packed], location.name, signing_key(), dataset)
    inputs = with_addresses(inputs, [place], bound.openers)
    bound.set_up()
    try:
        return bound.compute(inputs)[0].as_py()
    except CallFailed as failed:
        cause, given = failed.cause, failed.inputs
    finally:
        bound.tear_down()
    if isinstance(cause, (RowMismatch, ReturnMismatch)):
        what = cause.what if isinstance(cause, RowMismatch) else str(cause)
        raise WrongReturnTypeError(
            f"{column.udf_name} returned a wrong value for row {place.row_id} (fragment "
            f"{place.fragment_id}, offset {place.offset}): {what}\n  inputs: {given}"
        )
    # Only the function's own frames follow this one.
    raise cause.with_traceback(user_frames(cause))


def column_at(location: TableLocation, name: str, version: int | None) -> ComputedColumn:
    """Return a computed column as it was defined at a version; as it is now if that is gone."""
    try:
        return computed_column(open_dataset(location, version), name)
    except TableNotFoundError:
        return computed_column(open_dataset(location), name)


def _at(location: TableLocation, version: int | None) -> Dataset:
    try:
        return open_dataset(location, version)
    except TableNotFoundError:
        latest = open_dataset(location)
        warnings.warn(
            f"Version {version} of {location.name} is not there any more; the row is read at "
            f"version {latest.version}, where its inputs may be others.",
            stacklevel=4,
        )
        return latest
