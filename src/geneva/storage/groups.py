"""Groups of columns that one function computes, as the metadata of their fields describe them.

Each column of a group says which group it belongs to, which field of the function's struct it
holds, and which fields there are. Names are not kept, so that a column can be renamed.
"""

from __future__ import annotations

import json
import uuid

import pyarrow as pa

from geneva.errors import InvalidArgumentError, NotComputedError

_UNPACK = b"virtual_column.unpack"
_GROUP = b"virtual_column.unpack_group"
_FIELD = b"virtual_column.unpack_field"
_FIELDS = b"virtual_column.unpack_fields"


def group_metadata(struct_fields: list[str]) -> list[dict[str, str]]:
    """Return what the fields of a new group say of it, in the order of the struct."""
    group = uuid.uuid4().hex
    return [
        {
            _UNPACK.decode(): "true",
            _GROUP.decode(): group,
            _FIELD.decode(): name,
            _FIELDS.decode(): json.dumps(struct_fields),
        }
        for name in struct_fields
    ]


def is_grouped(field: pa.Field) -> bool:
    """Say whether a field is one of a group's."""
    return (field.metadata or {}).get(_UNPACK) == b"true"


def struct_field(field: pa.Field) -> str:
    """Return the field of the struct that a column of a group holds."""
    return str(field.metadata[_FIELD].decode())


def siblings(schema: pa.Schema, field: pa.Field) -> list[pa.Field]:
    """Return the fields of a column's group in the order of the struct; itself if it has none.

    Raises
    ------
    NotComputedError
        Some columns of the group are gone.

    Examples
    --------
    >>> size, area = group_metadata(["width", "height"]), pa.field("area", pa.int64())
    >>> w, h = (pa.field(n, pa.int64(), metadata=m) for n, m in zip("wh", size))
    >>> [field.name for field in siblings(pa.schema([area, h, w]), h)]
    ['w', 'h']
    >>> siblings(pa.schema([area, h, w]), area)
    [pyarrow.Field<area: int64>]
    """
    if not is_grouped(field):
        return [field]
    found = {struct_field(one): one for one in members(schema, field)}
    gone = missing_siblings(schema, field)
    if gone:
        raise NotComputedError(
            f"Column {field.name!r} is computed together with others, and the ones for the fields "
            f"{', '.join(map(repr, gone))} of the function's struct are not there any more. Drop "
            f"{', '.join(repr(one.name) for one in found.values())} too, and add the function "
            "again."
        )
    return [found[name] for name in _order(field)]


def missing_siblings(schema: pa.Schema, field: pa.Field) -> list[str]:
    """Return the fields of the struct for which a column's group has no column any more."""
    if not is_grouped(field):
        return []
    found = {struct_field(one) for one in members(schema, field)}
    return [name for name in _order(field) if name not in found]


def _order(field: pa.Field) -> list[str]:
    names: list[str] = json.loads(field.metadata[_FIELDS])
    return names


def members(schema: pa.Schema, field: pa.Field) -> list[pa.Field]:
    """Return the fields of a column's group that are there."""
    if not is_grouped(field):
        return [field]
    group = field.metadata[_GROUP]
    return [one for one in schema if is_grouped(one) and one.metadata[_GROUP] == group]


def together(schema: pa.Schema, name: str) -> list[str]:
    """Return the names of the columns that are computed with a column, itself included."""
    return [one.name for one in members(schema, schema.field(name))]


def first_of_each(schema: pa.Schema, names: list[str]) -> list[str]:
    """Return columns without those whose values are those of an earlier one's group."""
    seen: set[str] = set()
    first = []
    for name in names:
        if name not in seen:
            first.append(name)
            seen.update(together(schema, name))
    return first


def check_dropped_together(schema: pa.Schema, table: str, names: list[str]) -> None:
    """Refuse to drop some columns of a group and not the others.

    Raises
    ------
    InvalidArgumentError
        Which ones are left.
    """
    for name in names:
        group = together(schema, name)
        left = [one for one in group if one not in names]
        if left:
            raise InvalidArgumentError(
                f"Column {name!r} of table {table!r} is computed together with "
                f"{', '.join(map(repr, left))}. Drop all of them: drop_columns({group})."
            )
