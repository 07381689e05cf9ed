"""Which columns hold blobs, how a table declares them, and files that read them lazily."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
from lance.blob import blob_field

from geneva.storage.dataset import Dataset
from geneva.transformer.udf import BLOB_METADATA_KEY

_METADATA_KEY = BLOB_METADATA_KEY.encode()
# Tables in formats before this one store blobs in the column file, and know them by metadata.
_FIRST_APART = (2, 2)


def is_blob_field(field: pa.Field) -> bool:
    """Say whether a column is stored as blobs, in either of Lance's ways."""
    return lies_apart(field) or (field.metadata or {}).get(_METADATA_KEY) == b"true"


def lies_apart(field: pa.Field) -> bool:
    """Say whether blobs are stored in Lance's newer way, which may put them into side files."""
    data_type = field.type
    return isinstance(data_type, pa.ExtensionType) and data_type.extension_name == "lance.blob.v2"


def declared_blob(name: str, metadata: dict[str, str], storage_version: str) -> pa.Field:
    """Return the field that declares a blob column in a table of a format version.

    Examples
    --------
    >>> declared_blob("b", {}, "2.1").type, lies_apart(declared_blob("b", {}, "2.2"))
    (DataType(large_binary), True)
    """
    version = tuple(int(part) for part in storage_version.split("."))
    if version < _FIRST_APART:
        return pa.field(name, pa.large_binary(), metadata={**metadata, BLOB_METADATA_KEY: "true"})
    kept = {k: v for k, v in metadata.items() if k != BLOB_METADATA_KEY}
    field = blob_field(name)
    return field.with_metadata({**(field.metadata or {}), **kept})


def blob_opener(dataset: Dataset, column: str) -> Callable[[pa.Array], list[Any]]:
    """Return what opens blobs at row addresses as files, of which nothing is read yet."""

    def opened(addresses: pa.Array) -> list[Any]:
        files: list[Any] = dataset.take_blobs(column, addresses=addresses.to_pylist())
        return files

    return opened
