"""Definitions of computed columns: stored with the table, so that any process can go on.

The function is pickled by value into a content-addressed file of the table
(:mod:`geneva.storage.packed_functions`); the column's field metadata points to it and says
everything that planning needs. Only running a function unpickles it: opening, listing, planning
and reading a table never do.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import platform

import pyarrow as pa

from geneva.config import signing_key
from geneva.errors import NotComputedError
from geneva.storage.author import now, this_author
from geneva.storage.blobs import declared_blob, is_blob_field
from geneva.storage.dataset import Dataset, field_path, lance_field
from geneva.storage.groups import group_metadata, is_grouped, siblings, struct_field
from geneva.storage.model import ComputedColumn, Output
from geneva.storage.signatures import is_signed, signature_of, signed
from geneva.transformer.changes import Definition
from geneva.transformer.parts import parts_from_json, parts_of, parts_to_json
from geneva.transformer.udf import UDF
from geneva.transformer.unpacked import UnpackedUDF, unpacked_type

_KEY = "virtual_column"
BACKEND = "opengeneva/1"
_IDENTITY = ("udf_name", "udf_version", "udf_inputs")
_OPTIONS = (
    "num_cpus",
    "num_gpus",
    "memory",
    "batch_size",
    "checkpoint_size",
    "min_checkpoint_size",
    "max_checkpoint_size",
    "task_size",
    "max_in_flight",
    "resources",
    "label_selector",
    "accelerator_type",
    "max_errors",
    "row_timeout",
    "failure_rules",
    "shares_pass",
)


def definition_metadata(
    name: str,
    function: UDF,
    inputs: list[str],
    payload: str,
    changed: str = "",
    data_type: pa.DataType | None = None,
) -> dict[str, str]:
    """Return the field metadata that defines a computed column, signed if there is a key.

    Parameters
    ----------
    name, function, inputs, payload
        The column, its function with what that reads, and where it is stored.
    changed
        What is different from the function before.
    data_type
        Type of what is computed, where the column holds a part of it. Default: the function's.
    """
    metadata = {**_definition(function, inputs, payload), f"{_KEY}.changed": changed}
    key = signing_key()
    signature = ""
    if key is not None:
        kind = pa.large_binary() if function.is_blob else data_type or function.data_type
        column = _column(name, -1, kind, metadata, is_blob=function.is_blob)
        signature = signature_of(column, key)
    return {**metadata, f"{_KEY}.signature": signature}


def _definition(function: UDF, inputs: list[str], payload: str) -> dict[str, str]:
    options = {name: getattr(function, name) for name in _OPTIONS}
    return {
        _KEY: "true",
        f"{_KEY}.udf_name": function.name,
        f"{_KEY}.udf_version": function.version,
        f"{_KEY}.udf": payload,
        f"{_KEY}.udf_backend": BACKEND,
        f"{_KEY}.udf_inputs": json.dumps(inputs),
        f"{_KEY}.udf_options": json.dumps(options),
        f"{_KEY}.auto_backfill": "false",
        f"{_KEY}.platform.system": platform.system(),
        f"{_KEY}.platform.arch": platform.machine(),
        f"{_KEY}.platform.python_version": platform.python_version(),
        f"{_KEY}.parts": parts_to_json(parts_of(function.func)),
        f"{_KEY}.stored_by": this_author(),
        f"{_KEY}.stored_at": now(),
    }


def repointed_metadata(dataset: Dataset, name: str, metadata: dict[str, str]) -> dict[str, str]:
    """Return the field metadata that mark a column whose function is exchanged for another one.

    From then on, values whose origin is unknown (after a compaction, for example) may come from the
    earlier function, and are computed again rather than trusted. A function that is attached once
    more, with the same version and inputs, computes the same values.
    """
    now = definition_of(dataset.schema.field(name))
    same = all(now.get(key) == metadata[f"{_KEY}.{key}"] for key in _IDENTITY)
    return {} if same else {f"{_KEY}.repointed_at": str(dataset.version)}


def declared_field(
    dataset: Dataset, name: str, function: UDF, inputs: list[str], payload: str
) -> pa.Field:
    """Return the field that declares a computed column in a table's schema."""
    metadata = {**function.field_metadata, **definition_metadata(name, function, inputs, payload)}
    if function.is_blob:
        return declared_blob(name, metadata, dataset.data_storage_version)
    return pa.field(name, function.data_type, metadata=metadata)


def declared_group(unpacked: UnpackedUDF, inputs: list[str], payload: str) -> list[pa.Field]:
    """Return the fields that declare the columns of a function which fills several."""
    fields, kind = unpacked.fields, unpacked_type(unpacked.udf)
    groups = group_metadata([one.struct_field_name for one in fields])
    return [
        one.field.with_metadata(
            {
                **_text(one.field.metadata),
                **definition_metadata(
                    one.output_column, unpacked.udf, inputs, payload, data_type=kind
                ),
                **group,
            }
        )
        for one, group in zip(fields, groups, strict=True)
    ]


def is_computed(field: pa.Field) -> bool:
    """Say whether a field's metadata define a computed column."""
    return (field.metadata or {}).get(_KEY.encode()) == b"true"


def definition_of(field: pa.Field) -> dict[str, str]:
    """Return what a field's metadata say of its function, by key, complete or not.

    Examples
    --------
    >>> definition_of(pa.field("c", pa.int8(), metadata={"virtual_column.udf_name": "f"}))
    {'udf_name': 'f'}
    """
    metadata = _text(field.metadata)
    own = f"{_KEY}."
    return {k.removeprefix(own): v for k, v in metadata.items() if k.startswith(own)}


def computed_columns(dataset: Dataset) -> list[str]:
    """Return the names of a table's computed columns."""
    return [field.name for field in dataset.schema if is_computed(field)]


def check_computed(dataset: Dataset, name: str) -> None:
    """Refuse a column that no function computes.

    Raises
    ------
    NotComputedError
        The column is an ordinary one.
    """
    if not is_computed(dataset.schema.field(name)):
        computed = computed_columns(dataset)
        raise NotComputedError(
            f"Column {name!r} is an ordinary column. Attach a function to it first: "
            f"add_columns({{'{name}_computed': my_udf}}) adds a computed column, "
            f"alter_columns({{'path': '{name}', 'udf': my_udf}}) makes this one computed. "
            f"Computed columns here: {', '.join(computed) or 'none'}."
        )


def computed_column(dataset: Dataset, name: str) -> ComputedColumn:
    """Read the definition of a computed column from its field metadata.

    Raises
    ------
    NotComputedError
        No function computes the column, or one that this version cannot run.
    """
    check_computed(dataset, name)
    field = dataset.schema.field(name)
    metadata = _text(field.metadata)
    if metadata.get(f"{_KEY}.udf_backend") != BACKEND:
        raise NotComputedError(
            f"Column {name!r} was defined by another program "
            f"({metadata.get(f'{_KEY}.udf_backend')!r}), whose functions cannot be run here. "
            f"Attach the function again: alter_columns({{'path': '{name}', 'udf': my_udf}})."
        )
    fields = siblings(dataset.schema, field)
    outputs = tuple(_output(dataset, one) for one in fields)
    blob = is_blob_field(field)
    data_type = pa.large_binary() if blob else field.type
    if is_grouped(field):
        data_type = pa.struct([(struct_field(one), one.type) for one in fields])
    column = _column(name, outputs[0].field_id, data_type, metadata, is_blob=blob)
    return dataclasses.replace(column, outputs=outputs)


def _column(
    name: str, field_id: int, data_type: pa.DataType, metadata: dict[str, str], *, is_blob: bool
) -> ComputedColumn:
    def said(key: str) -> str:
        return metadata.get(f"{_KEY}.{key}", "")

    return ComputedColumn(
        name=name,
        field_id=field_id,
        data_type=data_type,
        is_blob=is_blob,
        udf_name=metadata[f"{_KEY}.udf_name"],
        udf_version=metadata[f"{_KEY}.udf_version"],
        payload=metadata[f"{_KEY}.udf"],
        input_columns=tuple(json.loads(metadata[f"{_KEY}.udf_inputs"])),
        options=json.loads(metadata[f"{_KEY}.udf_options"]),
        repointed=f"{_KEY}.repointed_at" in metadata,
        stored_by=said("stored_by"),
        stored_at=said("stored_at"),
        parts=said("parts"),
        changed=said("changed"),
        signature=said("signature"),
    )


def as_named(dataset: Dataset, column: ComputedColumn) -> ComputedColumn:
    """Return a column by the names that its fields have at a version; one that is gone, as it is.

    What shares a pass with others is left as it is.
    """
    names = [field_path(dataset, one.field_id) or one.name for one in column.outputs]
    if column.targets or names == column.output_names:
        return column
    outputs = tuple(
        dataclasses.replace(one, name=name) for one, name in zip(column.outputs, names, strict=True)
    )
    return dataclasses.replace(
        column, name=names[column.output_names.index(column.name)], outputs=outputs
    )


def distinct_columns(dataset: Dataset) -> list[ComputedColumn]:
    """Return the computed columns of a table that can be run here, a group once."""
    found: dict[int, ComputedColumn] = {}
    for name in computed_columns(dataset):
        # Another program's, or one that cannot be read.
        with contextlib.suppress(NotComputedError, KeyError, ValueError):
            column = computed_column(dataset, name)
            found.setdefault(column.field_id, column)
    return list(found.values())


def _output(dataset: Dataset, field: pa.Field) -> Output:
    held = struct_field(field) if is_grouped(field) else None
    return Output(field.name, lance_field(dataset, field.name).id(), held)  # type: ignore[union-attr]


def _text(metadata: dict[bytes, bytes] | None) -> dict[str, str]:
    return {key.decode(): value.decode() for key, value in (metadata or {}).items()}


def with_function(
    column: ComputedColumn, function: UDF, inputs: list[str], payload: str
) -> ComputedColumn:
    """Return the column's definition with another function, for one job."""
    own = dataclasses.replace(
        column,
        udf_name=function.name,
        udf_version=function.version,
        payload=payload,
        input_columns=tuple(inputs),
        options={name: getattr(function, name) for name in _OPTIONS},
        repointed=True,
        stored_by=this_author(),
        stored_at=now(),
        parts="",
        changed="",
    )
    return signed(own, signing_key())


def unattached(function: UDF, inputs: list[str], payload: str) -> ComputedColumn:
    """Return the definition that a column of this function would have; nothing is stored."""
    nothing = ComputedColumn(
        name=function.name,
        field_id=-1,
        data_type=function.data_type,
        is_blob=function.is_blob,
        udf_name="",
        udf_version="",
        payload="",
        input_columns=(),
    )
    return with_function(nothing, function, inputs, payload)


def definition_to_compare(column: ComputedColumn) -> Definition:
    """Return what of a stored definition is compared with another function."""
    parts = tuple(parts_from_json(column.parts))
    names = column.udf_name, column.udf_version
    # Somebody may have written anything there.
    said: object = column.options
    options = said if isinstance(said, dict) else {}
    return Definition(*names, column.input_columns, options, parts)


def function_to_compare(function: UDF, inputs: list[str]) -> Definition:
    """Return what of a function is compared with a stored definition."""
    options = json.loads(json.dumps({name: getattr(function, name) for name in _OPTIONS}))
    parts = tuple(parts_of(function.func))
    return Definition(function.name, function.version, tuple(inputs), options, parts)


def signature_after_renaming(
    dataset: Dataset, name: str, old_name: str, inputs: list[str]
) -> dict[str, str]:
    """Return the field metadata that sign a column whose name, or that of an input, has changed.

    Only what was signed before is signed again.
    """
    key = signing_key()
    try:
        column = computed_column(dataset, name)
    except NotComputedError:
        return {}
    before = dataclasses.replace(column, name=old_name)
    if key is None or not is_signed(before, key):
        return {}
    after = dataclasses.replace(column, input_columns=tuple(inputs))
    return {f"{_KEY}.signature": signature_of(after, key)} if after != before else {}
