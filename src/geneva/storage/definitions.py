"""Definitions of computed columns: stored with the table, so that any process can go on.

The function is pickled by value into a content-addressed file of the table; the column's field
metadata points to it and says everything that planning needs. Only running a function unpickles
it: opening, listing, planning and reading a table never do.
"""

from __future__ import annotations

import dataclasses
import json
import platform
from dataclasses import dataclass

import cloudpickle
import pyarrow as pa

from geneva.errors import NotComputedError, UnpicklableFunctionError
from geneva.storage.blobs import declared_blob, is_blob_field
from geneva.storage.dataset import Dataset, lance_field
from geneva.storage.files import FUNCTIONS_FOLDER, TableFiles
from geneva.storage.model import ComputedColumn
from geneva.transformer.pickling import digest, pickle_by_value
from geneva.transformer.udf import UDF

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
)


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


def load_function(packed: pa.Buffer, path: str) -> UDF:
    """Unpickle a function that was stored at a path: runs code that whoever stored it chose."""
    function = cloudpickle.loads(packed)
    if not isinstance(function, UDF):
        raise UnpicklableFunctionError(f"{path} holds a {type(function).__name__}, not a UDF.")
    return function


def definition_metadata(function: UDF, inputs: list[str], payload: str) -> dict[str, str]:
    """Return the field metadata that defines a computed column."""
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
    metadata = {**function.field_metadata, **definition_metadata(function, inputs, payload)}
    if function.is_blob:
        return declared_blob(name, metadata, dataset.data_storage_version)
    return pa.field(name, function.data_type, metadata=metadata)


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
    metadata = {k.decode(): v.decode() for k, v in (field.metadata or {}).items()}
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
    metadata = {k.decode(): v.decode() for k, v in field.metadata.items()}
    if metadata.get(f"{_KEY}.udf_backend") != BACKEND:
        raise NotComputedError(
            f"Column {name!r} was defined by another program "
            f"({metadata.get(f'{_KEY}.udf_backend')!r}), whose functions cannot be run here. "
            f"Attach the function again: alter_columns({{'path': '{name}', 'udf': my_udf}})."
        )
    blob = is_blob_field(field)
    return ComputedColumn(
        name=name,
        field_id=lance_field(dataset, name).id(),  # type: ignore[union-attr]
        data_type=pa.large_binary() if blob else field.type,
        is_blob=blob,
        udf_name=metadata[f"{_KEY}.udf_name"],
        udf_version=metadata[f"{_KEY}.udf_version"],
        payload=metadata[f"{_KEY}.udf"],
        input_columns=tuple(json.loads(metadata[f"{_KEY}.udf_inputs"])),
        options=json.loads(metadata[f"{_KEY}.udf_options"]),
        repointed=f"{_KEY}.repointed_at" in metadata,
    )


def with_function(
    column: ComputedColumn, function: UDF, inputs: list[str], payload: str
) -> ComputedColumn:
    """Return the column's definition with another function, for one job."""
    return dataclasses.replace(
        column,
        udf_name=function.name,
        udf_version=function.version,
        payload=payload,
        input_columns=tuple(inputs),
        options={name: getattr(function, name) for name in _OPTIONS},
        repointed=True,
    )
