"""Which rows of a table have failed by now, wherever they were moved, and what went wrong."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import numpy as np
import pyarrow as pa

from geneva.storage.column_file import file_tag
from geneva.storage.dataset import Dataset
from geneva.storage.definitions import computed_column, distinct_columns
from geneva.storage.failures import SCHEMA, read_failures, replace_failures
from geneva.storage.files import TableFiles
from geneva.storage.held import ColumnFields, Held
from geneva.storage.lineage import Lineage
from geneva.storage.model import ComputedColumn, TableLocation
from geneva.storage.moved_rows import live_offsets, row_ids
from geneva.storage.proofs import Proofs
from geneva.storage.row_states import FRESH

_Place = tuple[int, int]
"""A fragment and a physical offset in it."""

ADDRESS = pa.field("row_address", pa.int64())


def failed_rows(
    dataset: Dataset,
    location: TableLocation,
    column: ComputedColumn,
    fragments: Collection[int] | None = None,
) -> pa.Table:
    """Return what went wrong with the rows of a column that failed and are not computed since.

    Only what this version of the function did counts, and of each row the last that it did.

    Parameters
    ----------
    dataset, location, column
        The column.
    fragments
        Ids of the fragments to look at. Default: all.

    Returns
    -------
    pa.Table
        One row each, with ``row_address``, ``fragment_id`` and ``row_offset`` as they are now.
    """
    stored = read_failures(TableFiles(location), column)
    known = _last_of_each(stored, column)
    by_row_id: dict[int | None, int] = {}
    if dataset.has_stable_row_ids:
        by_row_id = {stored["row_id"][index].as_py(): index for index in known.values()}
    found: list[tuple[int, _Place]] = []
    fields = ColumnFields(dataset, column)
    proofs = Proofs(TableFiles(location), column)
    lineage = Lineage(dataset, location, column, fields, proofs)
    for fragment in dataset.get_fragments():
        fragment_id = int(fragment.fragment_id)
        if fragments is not None and fragment_id not in fragments:
            continue
        places = _not_fresh(fields.held_by(fragment), lineage, fragment_id, known)
        if not places:
            continue
        live = set(live_offsets(dataset, fragment_id).tolist())
        ids: dict[int, int] = {}
        if by_row_id and any(place not in known for _, place in places):
            numbers, offsets = row_ids(dataset, fragment_id)
            ids = dict(zip(offsets.tolist(), numbers.tolist(), strict=True))
        for row, place in places:
            if row in live:
                # A row that was moved before its failure was committed has another place.
                index = known.get(place, by_row_id.get(ids.get(row), -1))
                found.append((index, (fragment_id, row)))
    found.sort(key=lambda entry: entry[1])
    if any(index < 0 for index, _ in found):
        stored = pa.concat_tables([stored, _unknown(location, column)])
        found = [(index % stored.num_rows, place) for index, place in found]
    entries = stored.take(pa.array([index for index, _ in found], pa.int64()))
    columns = {
        "fragment_id": [place[0] for _, place in found],
        "row_offset": [place[1] for _, place in found],
    }
    for name, values in columns.items():
        field = SCHEMA.field(name)
        entries = entries.set_column(
            SCHEMA.get_field_index(name), field, pa.array(values, field.type)
        )
    addresses = pa.array([(place[0] << 32) + place[1] for _, place in found], ADDRESS.type)
    return entries.append_column(ADDRESS, addresses)


def failed_offsets(
    dataset: Dataset, location: TableLocation, column: ComputedColumn
) -> dict[int, np.ndarray]:
    """Return the physical offsets of rows that failed and are not computed since, by fragment."""
    rows = failed_rows(dataset, location, column)
    fragments, offsets = rows["fragment_id"].to_numpy(), rows["row_offset"].to_numpy()
    return {int(i): offsets[fragments == i] for i in np.unique(fragments)}


def prune_failures(dataset: Dataset, location: TableLocation, column: ComputedColumn) -> None:
    """Remove what is stored of rows that are computed since, and of other versions' failures."""
    files = TableFiles(location)
    if read_failures(files, column).num_rows:
        replace_failures(files, column, failed_rows(dataset, location, column))


def empty_failures() -> pa.Table:
    """Return what a table without failed rows gives."""
    return pa.schema([*SCHEMA, ADDRESS]).empty_table()


def failures_of_table(
    dataset: Dataset, location: TableLocation, name: str | None, *, current: bool
) -> pa.Table:
    """Return the failed rows of one computed column, or of all.

    Parameters
    ----------
    dataset, location
        The table.
    name
        The column; None for all.
    current
        Only rows that are not computed since, at their present place; else all that is stored, with
        calls for whole batches, at the place where it happened.
    """
    tables = [empty_failures()]
    columns = distinct_columns(dataset) if name is None else [computed_column(dataset, name)]
    for column in columns:
        if current:
            tables.append(failed_rows(dataset, location, column))
            continue
        stored = read_failures(TableFiles(location), column)
        places = zip(
            stored["fragment_id"].to_pylist(), stored["row_offset"].to_pylist(), strict=True
        )
        addresses = [None if row < 0 else (fragment << 32) + row for fragment, row in places]
        tables.append(stored.append_column(ADDRESS, pa.array(addresses, ADDRESS.type)))
    return pa.concat_tables(tables)


def _unknown(location: TableLocation, column: ComputedColumn) -> pa.Table:
    """Return the entry of a row of which is only known that it failed."""
    said = {
        "error_type": "unknown",
        "error_message": "it failed, and was moved before that was on record",
        "table_name": location.name,
        "table_uri": location.uri,
        "column_name": column.name,
        "udf_name": column.udf_name,
        "udf_version": column.udf_version,
        "attempt": 1,
    }
    text = {f.name: "" for f in SCHEMA if pa.types.is_string(f.type)}
    return pa.Table.from_pylist([{**text, **said}], SCHEMA)


def _last_of_each(stored: pa.Table, column: ComputedColumn) -> dict[_Place, int]:
    """Return the index of each row's last entry by this version of the function."""
    names = ("fragment_id", "row_offset", "udf_version", "timestamp")
    last: dict[_Place, int] = {}
    times: dict[_Place, datetime] = {}
    entries = zip(*(stored[name].to_pylist() for name in names), strict=True)
    for index, (fragment_id, row, version, time) in enumerate(entries):
        place = (fragment_id, row)
        named = row >= 0 and version == column.udf_version
        if named and time >= times.get(place, time):
            last[place], times[place] = index, time
    return last


def _not_fresh(
    held: Held, lineage: Lineage, fragment_id: int, known: dict[_Place, int]
) -> list[tuple[int, _Place]]:
    """Return the rows of a fragment that have an entry and are not computed, with its place."""
    here = [(place[1], place) for place in known if place[0] == fragment_id]
    if held.path is None:
        return here
    tag = file_tag(held.path)
    if tag is not None and tag.fingerprint != held.fingerprint:
        return here
    if tag is not None and tag.complete:
        return []
    states = lineage.states_of(fragment_id)
    moved = lineage.reasons.failures(states.codes)
    found = {row: place for row, place in here if states.codes[row] != FRESH}
    found |= moved
    return sorted(found.items())
