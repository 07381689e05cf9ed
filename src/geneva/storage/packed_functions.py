"""Pickled functions: stored with the table under the name of their content, loaded to be run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cloudpickle
import pyarrow as pa

from geneva.errors import DamagedFileError, UnpicklableFunctionError
from geneva.storage.blobs import blob_opener
from geneva.storage.dataset import Dataset
from geneva.storage.files import FUNCTIONS_FOLDER, TableFiles
from geneva.storage.model import ComputedColumn
from geneva.storage.signatures import check_signature
from geneva.transformer.pickling import digest, pickle_by_value
from geneva.transformer.udf import UDF

if TYPE_CHECKING:
    from geneva.transformer.binding import BoundFunction
    from geneva.transformer.shared_function import SharedFunction


@dataclass(frozen=True, slots=True)
class PackedFunction:
    """A pickled function and the content-addressed path under which its table stores it."""

    path: str
    payload: bytes


def pack_function(function: UDF) -> PackedFunction:
    """Pickle a function by value.

    Raises
    ------
    UnpicklableFunctionError
        Which object that it captures cannot be pickled.
    """
    try:
        payload = pickle_by_value(function)
    except UnpicklableFunctionError:
        pickle_by_value(function.func)  # Says the same in terms of the user's own function.
        raise
    return PackedFunction(f"{FUNCTIONS_FOLDER}/{digest(payload)}", payload)


def store_function(files: TableFiles, packed: PackedFunction) -> None:
    """Store a function with its table, once; what is there under its name and is not it goes."""
    if stored_digest(files, packed.path) == digest(packed.payload):
        files.touch(packed.path)  # Nobody is to remove it before the schema names it.
    else:
        files.write(packed.path, packed.payload)


def stored_digest(files: TableFiles, path: str) -> str | None:
    """Return the digest of a stored function, unread by any unpickler; None if it is not there."""
    return digest(memoryview(files.read(path))) if files.exists(path) else None


def load_function(packed: pa.Buffer, column: ComputedColumn, table: str, key: str | None) -> UDF:
    """Unpickle a column's function: runs code that whoever stored it chose.

    Raises
    ------
    UntrustedFunctionError
        There is a key, and the definition is not signed with it.
    DamagedFileError
        The pickle is not the one that the definition names, so that it is not loaded.
    """
    if key is not None:
        check_signature(column, key, table)
    payload = packed.to_pybytes()  # What is mapped into memory could still be exchanged.
    if column.payload != f"{FUNCTIONS_FOLDER}/{digest(payload)}":
        raise DamagedFileError(
            f"{column.payload} of table {table!r} is not the function that was stored under that "
            "name. It was not loaded. Attach the function again: "
            f"alter_columns({{'path': {column.name!r}, 'udf': {column.udf_name}}})."
        )
    function = cloudpickle.loads(payload)
    if not isinstance(function, UDF):
        raise UnpicklableFunctionError(
            f"{column.payload} holds a {type(function).__name__}, not a UDF."
        )
    return function


def bound_functions(
    column: ComputedColumn,
    packed: Sequence[pa.Buffer],
    table: str,
    key: str | None,
    dataset: Dataset,
) -> BoundFunction | SharedFunction:
    """Unpickle what computes a column, or several in one pass, ready to be called."""
    if not column.targets:
        return bound_function(column, packed, table, key, dataset)
    bound = [
        bound_function(target, [one], table, key, dataset)
        for target, one in zip(column.targets, packed, strict=True)
    ]
    from geneva.transformer.shared_function import SharedFunction

    return SharedFunction(bound, list(column.input_columns), column.data_type)


def bound_function(
    column: ComputedColumn,
    packed: Sequence[pa.Buffer],
    table: str,
    key: str | None,
    dataset: Dataset,
) -> BoundFunction:
    """Unpickle what computes one column, ready to be called.

    What it reads lazily is opened in the dataset, from row addresses in place of the values.
    """
    # Whoever only stores a function does not call it.
    from geneva.transformer.binding import bind

    [one] = packed
    function = load_function(one, column, table, key)
    columns = list(column.input_columns)
    openers = {name: blob_opener(dataset, name) for name in function.lazy_columns(columns)}
    return bind(function, columns, openers)
