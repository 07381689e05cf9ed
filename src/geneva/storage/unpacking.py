"""Between the values that a function computes and the columns that hold them.

The values of a group are structs; each field is a column of its own, and all of them are in one
column file. Whether a whole struct is NULL is not stored: its fields are then, in every column.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from geneva.storage.model import ComputedColumn
from geneva.transformer.udf import BLOB_METADATA_KEY


def stored_fields(column: ComputedColumn) -> list[pa.Field]:
    """Return the fields of a column file, which Lance finds in the table by their names."""
    types = [f.type for f in column.data_type] if column.is_group else [column.data_type]
    # Lance stores it apart from the others if the field says so.
    metadata = {BLOB_METADATA_KEY: "true"} if column.is_blob else None
    names = column.output_names
    return [pa.field(n, t, metadata=metadata) for n, t in zip(names, types, strict=True)]


def to_columns(column: ComputedColumn, values: pa.Array) -> list[pa.Array]:
    """Return the values as the arrays that are stored.

    Examples
    --------
    >>> from geneva.storage.model import Output
    >>> outputs = (Output("w", 1, "width"), Output("h", 2, "height"))
    >>> struct = pa.struct({"width": pa.int8(), "height": pa.int8()})
    >>> group = ComputedColumn("w", 1, struct, False, "size", "1", "", ("id",), outputs=outputs)
    >>> values = pa.array([{"width": 3, "height": 2}, None], struct)
    >>> [array.to_pylist() for array in to_columns(group, values)]
    [[3, None], [2, None]]
    """
    return list(values.flatten()) if column.is_group else [values]


def from_columns(column: ComputedColumn, arrays: Sequence[pa.Array]) -> pa.Array:
    """Return what is stored as values again, cast to the type that it has in memory."""
    if not column.is_group:
        return _as(arrays[0], column.data_type)
    fields = list(column.data_type)
    parts = [_as(array, field.type) for array, field in zip(arrays, fields, strict=True)]
    return pa.StructArray.from_arrays(parts, fields=fields)


def as_stored(column: ComputedColumn, values: pa.Array) -> pa.Array:
    """Return values as they are when they come back: a struct is never NULL as a whole."""
    return from_columns(column, to_columns(column, values)) if column.is_group else values


def _as(array: pa.Array, data_type: pa.DataType) -> pa.Array:
    return array if array.type == data_type else array.cast(data_type)
