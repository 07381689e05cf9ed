"""What verifying a column saw, as plain data: nothing here says what is right."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One data file that holds values of a column for one fragment.

    Attributes
    ----------
    path : str
        The file, relative to the table's ``data`` folder.
    listed_bytes : int or None
        Its size as the table's manifest lists it.
    exists : bool
        Whether it is there.
    found_bytes : int or None
        Its size; None where a store only tells whether the listed one fits.
    size_fits : bool
        Whether it has the size that is listed.
    problem : str
        Why it cannot be opened; empty if it can, or was not tried.
    rows : int or None
        Its rows.
    data_type : pa.DataType or None
        Type of the column in it, ``large_binary`` for a blob. None where that cannot be told.
    fingerprint, complete : str or None, bool
        What its name says; None for a file that Geneva did not write.
    metadata : dict
        Its schema metadata.
    holds_inputs : bool
        Whether columns that the function reads are in the same file.
    """

    path: str
    listed_bytes: int | None
    exists: bool = True
    found_bytes: int | None = None
    size_fits: bool = True
    problem: str = ""
    rows: int | None = None
    data_type: pa.DataType | None = None
    fingerprint: str | None = None
    complete: bool = True
    metadata: dict[str, str] = field(default_factory=dict)
    holds_inputs: bool = False


@dataclass(frozen=True, slots=True)
class FragmentFacts:
    """What one fragment holds of a column.

    Attributes
    ----------
    fragment_id, physical_rows : int
        The fragment and its rows, deleted ones included.
    fingerprint : str or None
        What its values would be known by if they were computed now; None without a definition.
    files : tuple of FileFacts
        The files that hold its values; none where nothing was ever written.
    read_problem : str
        Why values cannot be read through the table; empty if they can, or were not tried.
    checksum : str or None
        Checksum of all values that were read, if all were.
    parts : int
        Parts of an unfinished job, from which the next backfill goes on.
    """

    fragment_id: int
    physical_rows: int
    fingerprint: str | None
    files: tuple[FileFacts, ...]
    read_problem: str = ""
    checksum: str | None = None
    parts: int = 0


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """What a table holds of a computed column, and of its definition, at one version.

    Attributes
    ----------
    table, column : str
        Names.
    version : int
        Version of the table.
    data_type : pa.DataType
        Type of the values in memory, ``large_binary`` for a blob.
    definition : dict
        What the field's metadata says of the function, by key.
    missing_inputs : tuple of str
        Columns that the function reads and the table does not have.
    missing_siblings : tuple of str
        Fields of the function's struct whose columns the table does not have any more.
    payload_digest : str or None
        Digest of the file that holds the pickled function; None if there is no such file.
    fragments : tuple of FragmentFacts
        All fragments, in order.
    spare_parts : int
        Parts of earlier jobs that no fragment can use any more.
    """

    table: str
    column: str
    version: int
    data_type: pa.DataType
    definition: dict[str, str]
    missing_inputs: tuple[str, ...]
    payload_digest: str | None
    fragments: tuple[FragmentFacts, ...]
    spare_parts: int = 0
    missing_siblings: tuple[str, ...] = ()
