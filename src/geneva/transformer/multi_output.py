"""The return annotation of a function that fills several columns."""

from __future__ import annotations

import types
import typing
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import pyarrow as pa

from geneva.errors import InvalidArgumentError, TypeHintError

_Record = TypeVar("_Record")
_MARK = "geneva.Columns"

if TYPE_CHECKING:
    # A function that is annotated with it returns the NamedTuple itself.
    Columns = Annotated[_Record, _MARK]
else:

    class Columns:
        """Return annotation of a function that fills several columns at once.

        ``-> geneva.Columns[Size]`` with a ``typing.NamedTuple`` gives a column for each of its
        fields. The rows are read once, and the function is called once for all of them. A row for
        which it returns None is NULL in every column.

        Raises
        ------
        TypeHintError
            What stands in the brackets is no NamedTuple.

        Examples
        --------
        >>> import geneva
        >>> from typing import NamedTuple
        >>> class Size(NamedTuple):
        ...     width: int
        ...     height: int
        >>> @geneva.udf
        ... def size(pixels: list[list[int]]) -> geneva.Columns[Size]:
        ...     return Size(len(pixels[0]), len(pixels))
        >>> size.is_multi_output, size.data_type
        (True, StructType(struct<width: int64, height: int64>))
        """

        def __class_getitem__(cls, record: Any) -> Any:
            """Return the annotation for a NamedTuple."""
            if not isinstance(record, (str, typing.ForwardRef)):
                _check_record(record)
            return Annotated[record, _MARK]


def is_multi_output(name: str, hint: Any, data_type: pa.DataType) -> bool:
    """Say whether a return annotation asks for a column per field.

    Raises
    ------
    TypeHintError
        It does, for something that is no NamedTuple.
    InvalidArgumentError
        It does, and ``data_type=`` is no struct.
    """
    marked = [one for one in (hint, *_members(hint)) if _is_marked(one)]
    if not marked:
        return False
    _check_record(typing.get_args(marked[0])[0])
    if not pa.types.is_struct(data_type):
        raise InvalidArgumentError(
            f"{name} returns geneva.Columns and has data_type={data_type}; expected a struct with "
            "a field for each column."
        )
    return True


def _members(hint: Any) -> tuple[Any, ...]:
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return typing.get_args(hint) if union else ()


def _is_marked(hint: Any) -> bool:
    return typing.get_origin(hint) is Annotated and _MARK in hint.__metadata__


def _check_record(record: Any) -> None:
    if not (isinstance(record, type) and issubclass(record, tuple) and hasattr(record, "_fields")):
        shown = getattr(record, "__qualname__", record)
        raise TypeHintError(
            f"geneva.Columns[{shown}]: {shown} is no typing.NamedTuple. Its fields are the "
            "columns: write a class that inherits from it, with a type hint for each field."
        )
