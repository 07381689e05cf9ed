"""Declare, re-point and guard computed columns in a table's schema."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence

import pyarrow as pa
from lance.commit import CommitConflictError

from geneva.errors import (
    ColumnNotFoundError,
    InputTypeError,
    InvalidArgumentError,
    NotComputedError,
)
from geneva.storage.dataset import Dataset, lance_field
from geneva.storage.definitions import (
    computed_column,
    computed_columns,
    declared_field,
    declared_group,
    definition_metadata,
    definition_of,
    definition_to_compare,
    function_to_compare,
    is_computed,
    repointed_metadata,
    signature_after_renaming,
)
from geneva.storage.files import TableFiles
from geneva.storage.groups import check_dropped_together, is_grouped, siblings, struct_field
from geneva.storage.model import TableLocation
from geneva.storage.packed_functions import pack_function, store_function
from geneva.storage.reader import is_blob
from geneva.storage.retries import retried
from geneva.storage.storable import check_storable
from geneva.transformer.changes import Changes, compare
from geneva.transformer.signature import UDFArgType
from geneva.transformer.types import hint_accepts, is_blob_file
from geneva.transformer.udf import UDF
from geneva.transformer.unpacked import UnpackedUDF, unpacked_type

# It stands in the schema of every version of the table.
_LONGEST_CHANGED = 500


def check_column(dataset: Dataset, table: str, name: str) -> None:
    """Refuse a column that does not exist, naming the nearest that does.

    Raises
    ------
    ColumnNotFoundError
        There is no such top-level column.
    """
    names = dataset.schema.names
    if name not in names:
        raise ColumnNotFoundError(
            f"Column {name!r} is not defined in table {table!r}.{_nearest(name, names)} "
            f"Its columns: {', '.join(names)}."
        )


def resolve_inputs(
    dataset: Dataset, table: str, name: str, function: UDF, given: Sequence[str] | None
) -> list[str]:
    """Return the columns that a function reads, after checking that they are there and fit.

    Raises
    ------
    ColumnNotFoundError
        An input column is missing.
    InputTypeError
        A column's type cannot be given to the parameter's annotation.
    InvalidArgumentError
        The column would be computed from itself.
    """
    inputs = list(given) if given is not None else function.input_columns
    if inputs is None:
        inputs = [field.name for field in dataset.schema if not is_computed(field)]
    available = dataset.schema.names
    missing = [column for column in inputs if lance_field(dataset, column) is None]
    if missing:
        raise ColumnNotFoundError(
            f"{function.name} reads {', '.join(map(repr, missing))}, which table {table!r} does "
            f"not have.{_nearest(missing[0], available)} Its columns: {', '.join(available)}. Name "
            "the parameters like the columns, or give input_columns= in their order."
        )
    if name in {column.split(".")[0] for column in inputs}:
        raise InvalidArgumentError(f"Column {name!r} cannot be computed from itself.")
    if function.arg_type is UDFArgType.SCALAR:
        for column, hint in zip(inputs, function.hints, strict=False):
            found = _column_type(dataset, column)
            fits = is_blob(dataset, column) if is_blob_file(hint) else hint_accepts(hint, found)
            if hint is not None and not fits:
                raise InputTypeError(
                    f"{function.name} expects {getattr(hint, '__name__', hint)} for column "
                    f"{column!r} of table {table!r}, which is {found}. Change the annotation, or "
                    "bind another column with input_columns=."
                )
    return inputs


def declare_columns(
    dataset: Dataset,
    location: TableLocation,
    functions: dict[str, tuple[UDF, list[str]]],
) -> None:
    """Add computed columns to a table, all NULL, in one commit."""
    existing = set(dataset.schema.names)
    for name in functions:
        _check_new(name, existing, location)
    for name, (function, _) in functions.items():
        check_storable(name, function.data_type)
    packed = {name: pack_function(function) for name, (function, _) in functions.items()}
    fields = [
        declared_field(dataset, name, function, inputs, packed[name].path)
        for name, (function, inputs) in functions.items()
    ]
    for one in packed.values():
        store_function(TableFiles(location), one)
    _add(dataset, fields)


def declare_group(
    dataset: Dataset, location: TableLocation, unpacked: UnpackedUDF, inputs: list[str]
) -> None:
    """Add the columns of a function that fills several, all NULL, in one commit."""
    existing = set(dataset.schema.names)
    for one in unpacked.fields:
        _check_new(one.output_column, existing, location)
    packed = pack_function(unpacked.udf)
    store_function(TableFiles(location), packed)
    _add(dataset, declared_group(unpacked, inputs, packed.path))


def _check_new(name: str, existing: set[str], location: TableLocation) -> None:
    if name in existing:
        raise InvalidArgumentError(
            f"Column {name!r} exists in table {location.name!r} already. "
            f"alter_columns({{'path': {name!r}, 'udf': my_udf}}) gives it another function."
        )


def _add(dataset: Dataset, fields: list[pa.Field]) -> None:
    def add() -> None:
        dataset.checkout_version(dataset.latest_version).add_columns(fields)

    # Lance does not repeat a schema change that met another commit.
    retried(add, CommitConflictError, most_tries=10, most_wait_s=2.0)


def repoint_column(
    dataset: Dataset, location: TableLocation, name: str, function: UDF, inputs: list[str]
) -> Changes | None:
    """Give a column another function; its values stay until the next backfill.

    Returns
    -------
    Changes or None
        What is different; None if the column had no function that can be compared.

    Raises
    ------
    InvalidArgumentError
        The function's type is not the column's.
    """
    together = siblings(dataset.schema, dataset.schema.field(name))
    current = _column_type(dataset, name)
    wanted = declared_field(dataset, name, function, inputs, "").type
    if is_grouped(together[0]):
        current = pa.struct([(struct_field(one), one.type) for one in together])
        wanted = unpacked_type(function)
    if current != wanted:
        raise InvalidArgumentError(
            f"{function.name} returns {wanted}, but column {name!r} of {location.name!r} is "
            f"{'computed as ' if is_grouped(together[0]) else ''}{current}. Drop the column and "
            "add it again with the new function."
        )
    packed = pack_function(function)
    changes = changes_of(dataset, location, name, function, inputs)
    changed = definition_of(dataset.schema.field(name)).get("changed", "")
    if changes is not None and changes.stale:
        changed = textwrap.shorten(changes.words, _LONGEST_CHANGED, placeholder=" …")
    store_function(TableFiles(location), packed)
    metadata = {}
    for one in together:
        # What is signed names the column, so it is not the same for all of a group.
        given = (one.name, function, inputs, packed.path, changed)
        defined = definition_metadata(*given, data_type=current if is_grouped(one) else None)
        metadata[one.name] = {**function.field_metadata, **defined}
        if is_computed(one):
            metadata[one.name] |= repointed_metadata(dataset, one.name, metadata[one.name])
        metadata[one.name].pop("lance-encoding:blob", None)
    dataset.update_field_metadata(metadata)
    return changes


def changes_of(
    dataset: Dataset, location: TableLocation, name: str, function: UDF, inputs: list[str]
) -> Changes | None:
    """Say what is different if a column gets another function; nothing is unpickled for that.

    Returns None if the column has no function, or one that another program defined.
    """
    try:
        column = computed_column(dataset, name)
    except (NotComputedError, KeyError, ValueError):
        return None
    before, after = definition_to_compare(column), function_to_compare(function, inputs)
    return compare(f"{location.name}.{name}", before, after)


def rename_inputs(dataset: Dataset, old: str, new: str) -> None:
    """Let computed columns that read a renamed column follow it, and signatures that name it."""
    changes = {}
    for name in computed_columns(dataset):
        metadata = dataset.schema.field(name).metadata
        inputs = json.loads(metadata[b"virtual_column.udf_inputs"])
        renamed = [_renamed(column, old, new) for column in inputs]
        changed = {} if renamed == inputs else {"virtual_column.udf_inputs": json.dumps(renamed)}
        changed |= signature_after_renaming(dataset, name, _renamed(name, new, old), renamed)
        if changed:
            changes[name] = changed
    if changes:
        dataset.update_field_metadata(changes)


def check_alteration(dataset: Dataset, table: str, alteration: dict[str, object]) -> None:
    """Refuse to cast a computed column: Lance would forget its function.

    Raises
    ------
    InvalidArgumentError
        The column is computed.
    """
    name = str(alteration["path"])
    if "data_type" in alteration and name in computed_columns(dataset):
        raise InvalidArgumentError(
            f"Column {name!r} of table {table!r} is computed; its function decides the type. Drop "
            "it and add it again with a function that returns the new type."
        )


def check_droppable(dataset: Dataset, table: str, names: Sequence[str]) -> None:
    """Refuse to drop a column that a computed one reads, or that is computed with others.

    Raises
    ------
    InvalidArgumentError
        Which computed column reads it, or which are computed together with it.
    """
    check_dropped_together(
        dataset.schema, table, [name for name in names if name in dataset.schema.names]
    )
    for reader in computed_columns(dataset):
        if reader in names:
            continue
        metadata = dataset.schema.field(reader).metadata
        inputs = {c.split(".")[0] for c in json.loads(metadata[b"virtual_column.udf_inputs"])}
        needed = sorted(inputs & set(names))
        if needed:
            raise InvalidArgumentError(
                f"Column {needed[0]!r} of table {table!r} is read by the computed column "
                f"{reader!r}. Drop {reader!r} first, or together with it."
            )


def _column_type(dataset: Dataset, column: str) -> object:
    top, *rest = column.split(".")
    found = dataset.schema.field(top).type
    for step in rest:
        found = found.field(step).type
    return found


def _renamed(column: str, old: str, new: str) -> str:
    if column == old:
        return new
    return new + column[len(old) :] if column.startswith(old + ".") else column


def _nearest(name: str, names: Sequence[str]) -> str:
    import difflib  # Only for messages of errors.

    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""
