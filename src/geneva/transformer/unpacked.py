"""Functions whose result is stored as several columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import attrs
import pyarrow as pa

from geneva.errors import InvalidArgumentError
from geneva.transformer.transform import function_of
from geneva.transformer.udf import BLOB_METADATA_KEY, UDF


@dataclass(frozen=True, slots=True)
class UnpackedUDFField:
    """One column of an :class:`UnpackedUDF`.

    Attributes
    ----------
    struct_field_name : str
        Field of the struct that the function returns.
    output_column : str
        Name of the column.
    field : pa.Field
        The column's field, as the function defines it.
    """

    struct_field_name: str
    output_column: str
    field: pa.Field


@attrs.frozen(init=False)
class UnpackedUDF:
    """A function that returns structs, stored as one column per field.

    ``table.add_columns(UnpackedUDF(my_udf, prefix="p_"))`` adds the columns. A function that is
    annotated with :class:`Columns` needs this only for a prefix.

    Attributes
    ----------
    udf : UDF
        The function; any that returns a struct.
    prefix : str
        What the columns' names begin with, before the name of the field.

    Raises
    ------
    InvalidArgumentError
        The function returns no struct, or one whose fields cannot be columns.

    Examples
    --------
    >>> import geneva, pyarrow as pa
    >>> size = geneva.udf(
    ...     lambda pixels: (len(pixels[0]), len(pixels)),
    ...     data_type=pa.struct({"width": pa.int32(), "height": pa.int32()}),
    ... )
    >>> unpacked = geneva.UnpackedUDF(size, prefix="image_")
    >>> [field.output_column for field in unpacked.fields]
    ['image_width', 'image_height']
    """

    udf: UDF
    prefix: str

    def __init__(self, udf: UDF, prefix: str = "") -> None:
        function, _ = function_of(f"{prefix}*", udf)
        if function is None:
            raise InvalidArgumentError(f"{udf!r} is not a function decorated with @udf.")
        check_unpackable(function)
        self.__attrs_init__(function, prefix)

    @property
    def fields(self) -> list[UnpackedUDFField]:
        """The columns, in the order of the struct's fields."""
        found = []
        for field in unpacked_type(self.udf):
            column = f"{self.prefix}{field.name}"
            metadata = {**self.udf.field_metadata, **_text(field.metadata)}
            described = field.with_name(column).with_metadata(metadata or None)
            found.append(UnpackedUDFField(field.name, column, described))
        return found


def unpacked_type(function: UDF) -> pa.DataType:
    """Return the struct that the columns of a function make up: a row without one has no field.

    Of a function that returns something else, that.
    """
    if not pa.types.is_struct(function.data_type):
        return function.data_type
    return pa.struct([field.with_nullable(True) for field in function.data_type])


def check_unpackable(function: UDF) -> None:
    """Refuse a function whose result cannot be stored as columns.

    Raises
    ------
    InvalidArgumentError
        What it returns, and what to do.
    """
    returned = function.data_type
    if not pa.types.is_struct(returned) or not returned.num_fields:
        raise InvalidArgumentError(
            f"{function.name} returns {returned}; only a struct has fields that can be columns. "
            "Return a NamedTuple and annotate it with geneva.Columns, or give "
            "data_type=pa.struct(...)."
        )
    twice = [name for name, times in Counter(f.name for f in returned).items() if times > 1]
    wrong = [f.name for f in returned if not f.name or "." in f.name] or twice
    if wrong:
        raise InvalidArgumentError(
            f"{function.name} returns a struct with a field {wrong[0]!r}, which cannot be a "
            "column: names are not empty, hold no dot, and stand there once."
        )
    blobs = [f.name for f in returned if _text(f.metadata).get(BLOB_METADATA_KEY) == "true"]
    if function.is_blob or blobs:
        raise InvalidArgumentError(
            f"{function.name} asks for blobs, which cannot be stored together with other columns. "
            "Give the blob a function and a column of its own, or leave out "
            f"{BLOB_METADATA_KEY!r} to store the bytes as they are."
        )


def unpacked_of(transforms: Any) -> tuple[UnpackedUDF | None, Sequence[str] | None]:
    """Return the function that was given in place of columns, and its input columns, if one was.

    Raises
    ------
    InvalidArgumentError
        A function was given that fills one column and so needs its name.
    """
    given: Sequence[str] | None = None
    one = transforms
    if isinstance(one, tuple) and len(one) == 2 and not isinstance(one[0], pa.Field):
        one, given = one
    if isinstance(one, UnpackedUDF):
        return one, given
    if not isinstance(one, UDF) and not callable(one):
        return None, None
    function, _ = function_of("?", one)
    if function is None:
        return None, None
    if not function.is_multi_output:
        raise InvalidArgumentError(
            f"{function.name} fills one column; say its name: "
            f"add_columns({{'{function.name}': {function.name}}}). If it returns a struct, "
            f"geneva.UnpackedUDF({function.name}) makes a column of each field."
        )
    return UnpackedUDF(function), given


def packed_of(name: str, transform: Any) -> tuple[UDF | None, Sequence[str] | None]:
    """Return the function for one column of a group, or for a column of its own."""
    given: Sequence[str] | None = None
    if isinstance(transform, tuple) and len(transform) == 2:
        transform, given = transform
    if isinstance(transform, UnpackedUDF):
        return transform.udf, given
    function, also = function_of(name, transform)
    return function, given or also


def check_single(name: str, transform: Any) -> None:
    """Refuse, under the name of one column, a function that fills several.

    Raises
    ------
    InvalidArgumentError
        How to attach it.
    """
    one = transform[0] if isinstance(transform, tuple) and len(transform) == 2 else transform
    if not isinstance(one, UnpackedUDF):
        if isinstance(one, str) or not callable(one):
            return
        found, _ = function_of(name, one)
        if found is None or not found.is_multi_output:
            return
        one = UnpackedUDF(found)
    columns = ", ".join(field.output_column for field in one.fields)
    raise InvalidArgumentError(
        f"Column {name!r}: {one.udf.name} fills several columns ({columns}) and cannot stand under "
        f"the name of one. Write add_columns({one.udf.name}), or geneva.UnpackedUDF("
        f"{one.udf.name}, prefix='{name}_') to begin their names with something."
    )


def _text(metadata: dict[bytes, bytes] | None) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in (metadata or {}).items()}
