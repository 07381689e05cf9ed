"""Declare, re-point and guard computed columns in a table's schema."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence

import tenacity
from lance.commit import CommitConflictError

from geneva.errors import ColumnNotFoundError, InputTypeError, InvalidArgumentError
from geneva.storage.dataset import Dataset, lance_field
from geneva.storage.definitions import (
    computed_columns,
    declared_field,
    definition_metadata,
    is_computed,
    pack_function,
    repointed_metadata,
    store_function,
)
from geneva.storage.files import TableFiles
from geneva.storage.model import TableLocation
from geneva.storage.reader import is_blob
from geneva.storage.storable import check_storable
from geneva.transformer.signature import UDFArgType
from geneva.transformer.types import hint_accepts, is_blob_file
from geneva.transformer.udf import UDF


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
        if name in existing:
            raise InvalidArgumentError(
                f"Column {name!r} exists in table {location.name!r} already. "
                f"alter_columns({{'path': {name!r}, 'udf': my_udf}}) gives it another function."
            )
    for name, (function, _) in functions.items():
        check_storable(name, function.data_type)
    packed = {name: pack_function(function) for name, (function, _) in functions.items()}
    fields = [
        declared_field(dataset, name, function, inputs, packed[name].path)
        for name, (function, inputs) in functions.items()
    ]
    for one in packed.values():
        store_function(TableFiles(location), one)
    for attempt in _retrying():
        with attempt:
            dataset.checkout_version(dataset.latest_version).add_columns(fields)


def repoint_column(
    dataset: Dataset, location: TableLocation, name: str, function: UDF, inputs: list[str]
) -> None:
    """Give a column another function; its values stay until the next backfill.

    Raises
    ------
    InvalidArgumentError
        The function's type is not the column's.
    """
    current = _column_type(dataset, name)
    wanted = declared_field(dataset, name, function, inputs, "").type
    if current != wanted:
        raise InvalidArgumentError(
            f"{function.name} returns {wanted}, but column {name!r} of {location.name!r} is "
            f"{current}. Drop the column and add it again with the new function."
        )
    packed = pack_function(function)
    store_function(TableFiles(location), packed)
    metadata = {**function.field_metadata, **definition_metadata(function, inputs, packed.path)}
    if is_computed(dataset.schema.field(name)):
        metadata |= repointed_metadata(dataset, name, metadata)
    metadata.pop("lance-encoding:blob", None)
    dataset.update_field_metadata({name: metadata})


def rename_inputs(dataset: Dataset, old: str, new: str) -> None:
    """Let computed columns that read a renamed column follow it."""
    for name in computed_columns(dataset):
        metadata = dataset.schema.field(name).metadata
        inputs = json.loads(metadata[b"virtual_column.udf_inputs"])
        renamed = [_renamed(column, old, new) for column in inputs]
        if renamed != inputs:
            dataset.update_field_metadata(
                {name: {"virtual_column.udf_inputs": json.dumps(renamed)}}
            )


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
    """Refuse to drop a column that a computed one reads.

    Raises
    ------
    InvalidArgumentError
        Which computed column reads it.
    """
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
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f" Did you mean {close[0]!r}?" if close else ""


def _retrying() -> tenacity.Retrying:
    """Lance does not repeat a schema change that met another commit."""
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(CommitConflictError),
        stop=tenacity.stop_after_attempt(10),
        wait=tenacity.wait_random_exponential(multiplier=0.02, max=2),
        reraise=True,
    )
