"""The operation that puts column files into a table, for Lance.

Lance's own operation for that has the fewest conflicts with other writers. But it takes a file only
where its columns are together already: in one file of the fragment, or in none. The columns of a
group are not when somebody else wrote some of them; then the fragments are given a new list of
files instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lance
from lance.fragment import DataFile

from geneva.storage.dataset import Dataset
from geneva.storage.model import ColumnFile

_TOMBSTONE = -2
"""What stands in a file's list of fields for one whose values are in another file now."""


def replacement(latest: Dataset, files: Sequence[ColumnFile]) -> Any:
    """Return the operation that puts files into the fragments of the latest version."""
    ordered = sorted(files, key=lambda file: file.fragment_id)
    if all(_is_together(latest.get_fragment(file.fragment_id), file) for file in ordered):
        return lance.LanceOperation.DataReplacement(
            [
                lance.LanceOperation.DataReplacementGroup(file.fragment_id, _data_file(file))
                for file in ordered
            ]
        )
    return lance.LanceOperation.Update(
        updated_fragments=[_with_file(latest, file) for file in ordered],
        fields_modified=sorted({i for file in ordered for i in file.fields}),
        update_mode="rewrite_columns",
    )


def _is_together(fragment: Any, file: ColumnFile) -> bool:
    columns = set(file.fields)
    there = [columns & set(held.fields) for held in fragment.data_files()]
    return all(some == columns for some in there if some)


def _with_file(latest: Dataset, file: ColumnFile) -> Any:
    """Return a fragment whose columns are in this file and in no other."""
    fragment = latest.get_fragment(file.fragment_id).metadata
    kept = []
    for held in fragment.files:
        fields = [_TOMBSTONE if i in file.fields else i for i in held.fields]
        if any(i != _TOMBSTONE for i in fields):
            kept.append(
                DataFile(
                    held.path,
                    fields,
                    list(held.column_indices),
                    held.file_major_version,
                    held.file_minor_version,
                    held.file_size_bytes,
                    held.base_id,
                )
            )
    fragment.files = [*kept, _data_file(file)]
    return fragment


def _data_file(file: ColumnFile) -> DataFile:
    return DataFile(
        file.path,
        list(file.fields),
        list(file.column_indices),
        file.major,
        file.minor,
        file.size_bytes,
        None,
    )
