"""Which Arrow types Lance can store; it notices some only when values are written."""

from __future__ import annotations

import pyarrow as pa

from geneva.errors import InvalidArgumentError

_T = pa.types


def check_storable(name: str, data_type: pa.DataType) -> None:
    """Refuse a column of a type that Lance cannot store.

    Raises
    ------
    InvalidArgumentError
        Which part of the type, and what to use instead.
    """
    problem = _problem(data_type)
    if problem is not None:
        part, instead = problem
        whole = "" if part == data_type else f" in {data_type}"
        raise InvalidArgumentError(
            f"Column {name!r}: Lance cannot store {part}{whole}. Use {instead} instead, as "
            "data_type= of the function."
        )


def _problem(data_type: pa.DataType, *, in_list: bool = False) -> tuple[pa.DataType, str] | None:
    """Return the first part that cannot be stored, and what can."""
    if isinstance(data_type, pa.BaseExtensionType):
        return None
    if _T.is_struct(data_type) and data_type.num_fields == 0:
        return data_type, "a struct with fields"
    if _T.is_fixed_size_list(data_type):
        item = data_type.value_type
        if not _fits_fixed_list(item) or (in_list and _T.is_struct(item)):
            return data_type, f"list<{item}>"
    for refused, instead in _REFUSED:
        if getattr(_T, refused)(data_type):
            return data_type, instead
    if _T.is_nested(data_type):
        parts = [data_type.field(i).type for i in range(data_type.num_fields)]
        lists = in_list or not _T.is_struct(data_type)
        return next((p for part in parts if (p := _problem(part, in_list=lists))), None)
    return None


_REFUSED = (
    ("is_interval", "duration"),
    ("is_decimal32", "decimal128"),
    ("is_decimal64", "decimal128"),
    ("is_list_view", "list"),
    ("is_large_list_view", "large_list"),
    ("is_run_end_encoded", "the type of its values"),
    ("is_union", "a struct with a field per type"),
)


def _fits_fixed_list(item: pa.DataType) -> bool:
    if isinstance(item, pa.BaseExtensionType):
        return False
    if _T.is_struct(item):
        return True
    if _T.is_fixed_size_list(item):
        return _fits_fixed_list(item.value_type)
    fixed = _T.is_primitive(item) or _T.is_boolean(item) or _T.is_decimal(item)
    return bool(fixed or _T.is_fixed_size_binary(item))
