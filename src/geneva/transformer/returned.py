"""What an array or batch function returned, checked and as an Arrow array."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from geneva.transformer.arrow_values import arrow_values
from geneva.transformer.mismatch import ReturnMismatch, RowMismatch
from geneva.transformer.wording import shortened


def as_column(result: Any, data_type: pa.DataType, rows: int) -> pa.Array:
    """Check and convert what an array or batch function returned."""
    try:
        array = as_array(result, data_type)
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


def as_array(result: Any, data_type: pa.DataType) -> pa.Array:
    """Return a result as one Arrow array, of whatever type it has."""
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
