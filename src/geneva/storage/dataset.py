"""Open Lance datasets, and say clearly when they are not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TypeAlias

import lance

from geneva.errors import TableNotFoundError
from geneva.storage.model import TableLocation

Dataset: TypeAlias = Any
"""A ``lance.LanceDataset``; Lance publishes no types."""

LANCE_VERSION: str = lance.__version__


def open_dataset(location: TableLocation, version: int | None = None) -> Dataset:
    """Open a table at a version, or at its latest.

    Raises
    ------
    TableNotFoundError
        There is no table at that place, or not at that version.
    """
    try:
        return lance.dataset(location.uri, version=version, storage_options=location.options)
    except (ValueError, OSError) as error:
        if "not found" not in str(error).lower():
            raise
        at = "" if version is None else f" at version {version}"
        raise TableNotFoundError(
            f"Table {location.name!r} was not found{at} in {location.uri}. It may have been "
            "dropped or renamed; table_names() of the connection lists what is there."
        ) from None


def in_words(error: BaseException) -> str:
    """Return what Lance says, without the place in its own source.

    Examples
    --------
    >>> in_words(ValueError("Invalid user input: no field x, /build/rust/lance/scanner.rs:8:3"))
    'Invalid user input: no field x'
    """
    return re.sub(r"[.,]?\s*\S*/\S+\.rs:\d+:\d+", "", str(error)).strip(" .")


def lance_field(dataset: Dataset, name: str) -> Any | None:
    """Return the Lance field of a top-level column or of a dotted path; None if absent."""
    fields = dataset.lance_schema.fields()
    found = None
    for step in name.split("."):
        found = next((f for f in fields if f.name() == step), None)
        if found is None:
            return None
        fields = found.children()
    return found


def leaf_ids(field: Any) -> Iterator[int]:
    """Yield the ids under which data files list a field: its own and those of its children."""
    yield field.id()
    for child in field.children():
        yield from leaf_ids(child)


def file_positions(fragment: Any, field_ids: set[int]) -> list[tuple[str, int, int]]:
    """Return (file, position in it, field id) of some fields of a fragment, sorted."""
    return sorted(
        (file.path, index, field_id)
        for file in fragment.data_files()
        for field_id, index in zip(file.fields, file.column_indices, strict=True)
        if field_id in field_ids
    )


def field_path(dataset: Dataset, field_id: int) -> str | None:
    """Return the name, dotted if it is nested, that a field has at a version."""
    stack = [(field.name(), field) for field in dataset.lance_schema.fields()]
    while stack:
        name, field = stack.pop()
        if field.id() == field_id:
            return str(name)
        stack += [(f"{name}.{child.name()}", child) for child in field.children()]
    return None
