"""Column files: the values of one computed column for all physical rows of one fragment.

A file holds a value, or NULL, for every physical row, deleted ones included, so that it stays
valid when rows are deleted while it is being written. It describes itself twice: its name carries
the fingerprint of what computed it and whether it is complete, so that planning reads the manifest
and no files; its schema metadata says who computed it, when, and which rows.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from lance.file import LanceFileReader, LanceFileSession
from lance.fragment import DataFile

from geneva.errors import DamagedFileError
from geneva.storage import fault_points
from geneva.storage.blob_encoder import BlobEncoder
from geneva.storage.blobs import lies_apart
from geneva.storage.checksum import ValueChecksum
from geneva.storage.dataset import Dataset, in_words
from geneva.storage.model import ColumnFile, ComputedColumn, TableLocation, pack_rows, unpack_rows
from geneva.storage.names import unique_name
from geneva.storage.unpacking import as_stored, from_columns, stored_fields, to_columns

COVERAGE_KEY = "geneva.coverage"
FAILED_KEY = "geneva.failed"
FINGERPRINT_KEY = "geneva.fingerprint"
FRAGMENT_KEY = "geneva.fragment"
CHECKSUM_KEY = "geneva.checksum"
_PREFIX = "gv"


@dataclass(frozen=True, slots=True)
class FileTag:
    """What the name of a column file says about it.

    Attributes
    ----------
    fingerprint : str
        What computed it from what.
    complete : bool
        Whether all live rows are computed.
    name : str
        The rest, which :func:`~geneva.storage.names.unique_name` made.
    """

    fingerprint: str
    complete: bool
    name: str


def file_name(fingerprint: str, call_id: str, *, complete: bool) -> str:
    """Return a new, unique name for a column file."""
    return f"{_PREFIX}-{fingerprint}-{'c' if complete else 'p'}-{unique_name(call_id)}.lance"


def file_tag(path: str) -> FileTag | None:
    """Read a column file's name; None for files that Geneva did not write.

    Examples
    --------
    >>> file_tag("gv-0f3a-c-4f1c22ab0c9d11ee.lance")
    FileTag(fingerprint='0f3a', complete=True, name='4f1c22ab0c9d11ee')
    >>> file_tag("1000101.lance") is None
    True
    """
    pieces = path.removesuffix(".lance").split("-")
    if len(pieces) != 4 or pieces[0] != _PREFIX:
        return None
    return FileTag(fingerprint=pieces[1], complete=pieces[2] == "c", name=pieces[3])


class ColumnFiles:
    """Opens column files of one computed column.

    Parameters
    ----------
    dataset
        The table at the version that workers read.
    location, column
        The table and the column.
    call_id
        The call that writes them.
    """

    def __init__(
        self, dataset: Dataset, location: TableLocation, column: ComputedColumn, call_id: str
    ) -> None:
        self.column = column
        self._call_id = call_id
        self.session = LanceFileSession(f"{location.uri}/data", storage_options=location.options)
        self._dataset = dataset
        self._location = location
        self._layout: ColumnFile | None = None

    @property
    def field(self) -> pa.Field:
        """The column's field in the table."""
        return self._dataset.schema.field(self.column.name)

    def open(self, fingerprint: str, *, complete: bool) -> ColumnFileWriter:
        """Begin a new file."""
        return ColumnFileWriter(self, file_name(fingerprint, self._call_id, complete=complete))

    def open_writer(self, name: str, schema: pa.Schema) -> Any:
        """Open Lance's writer of a file, in the table's format version."""
        version = self._dataset.data_storage_version
        return self.session.open_writer(name, schema=schema, version=version)

    def describe(self, name: str, fragment_id: int) -> ColumnFile:
        """Return a finished file as a commit needs it."""
        if self._layout is not None and self._location.is_local:
            # Files of one schema and format differ in nothing but their name and size.
            size = Path(self._location.uri, "data", name).stat().st_size
            return replace(self._layout, fragment_id=fragment_id, path=name, size_bytes=size)
        file = DataFile.create(self._dataset, name)
        self._layout = ColumnFile(
            fragment_id=fragment_id,
            path=name,
            fields=tuple(file.fields),
            column_indices=tuple(file.column_indices),
            major=file.file_major_version,
            minor=file.file_minor_version,
            size_bytes=file.file_size_bytes,
        )
        return self._layout


class ColumnFileWriter:
    """Writes one column file, batch by batch in order of physical offsets.

    Parameters
    ----------
    files
        Where the file goes.
    name
        Its name, from :func:`file_name`.
    """

    def __init__(self, files: ColumnFiles, name: str) -> None:
        self.name = name
        self._files = files
        column = files.column
        self._type = column.data_type
        open_writer = partial(files.open_writer, name)
        self._encoder: BlobEncoder | _PlainEncoder
        field = files.field
        if lies_apart(field):
            self._encoder = BlobEncoder(open_writer, files.session, column.name, name)
        else:
            self._encoder = _PlainEncoder(open_writer, column)
        self._next_offset = 0
        self._covered: list[np.ndarray] = []
        self._checksum = ValueChecksum()

    def append(self, offsets: np.ndarray, values: pa.Array) -> None:
        """Append values at ascending physical offsets; skipped offsets become NULL."""
        if not len(offsets):
            return
        self._covered.append(offsets)
        stop = int(offsets[-1]) + 1
        self._write(spread(values, offsets, self._next_offset, stop))
        self._next_offset = stop

    def close(
        self,
        fragment_id: int,
        physical_rows: int,
        metadata: dict[str, str],
        covered: bytes | None,
        failed: bytes | None = None,
    ) -> ColumnFile:
        """Finish the file.

        Parameters
        ----------
        fragment_id, physical_rows
            The fragment; the file gets exactly this many rows.
        metadata
            Who computed the values; becomes schema metadata of the file, together with its
            fingerprint, its fragment and a checksum of its values.
        covered
            Rows that are computed, packed; None when all are.
        failed
            Rows for which the function failed, packed; None for none.
        """
        if self._next_offset < physical_rows:
            self._write(pa.nulls(physical_rows - self._next_offset, self._type))
            self._next_offset = physical_rows
        own = self._own_metadata(fragment_id, covered, failed)
        rows = self._encoder.close({**metadata, **own})
        if rows != physical_rows:
            # Lance does not check this at commit; a short file would be unreadable later.
            raise RuntimeError(f"{self.name} has {rows} rows; the fragment has {physical_rows}")
        fault_points.passed(fault_points.FILE_WRITTEN)
        return self._files.describe(self.name, fragment_id)

    def covered_rows(self, physical_rows: int) -> bytes:
        """Return the appended offsets, packed."""
        mask = np.zeros(physical_rows, bool)
        for offsets in self._covered:
            mask[offsets] = True
        return pack_rows(mask)

    def _write(self, values: pa.Array) -> None:
        self._encoder.write(values)
        self._checksum.update(as_stored(self._files.column, values))

    def _own_metadata(
        self, fragment_id: int, covered: bytes | None, failed: bytes | None
    ) -> dict[str, str]:
        """Return what verifying the file later compares with its name, place and values."""
        tag = file_tag(self.name)
        said = {
            FINGERPRINT_KEY: None if tag is None else tag.fingerprint,
            FRAGMENT_KEY: str(fragment_id),
            CHECKSUM_KEY: self._checksum.text(),
            COVERAGE_KEY: None if covered is None else covered.hex(),
            FAILED_KEY: None if failed is None else failed.hex(),
        }
        return {key: value for key, value in said.items() if value is not None}

    def take_back(self) -> tuple[np.ndarray, pa.Array]:
        """Close the unfinished file, remove it, and return what was appended.

        A file that was begun for a whole fragment becomes a part when the fragment is split or
        takes longer than expected. Not for blobs, which are never begun that way.
        """
        self._encoder.close({})
        table = self._files.session.open_reader(self.name).read_all(batch_size=4096).to_table()
        self._files.session.delete_file(self.name)
        offsets = np.concatenate(self._covered)
        arrays = [pa.concat_arrays(column.chunks) for column in table.columns]
        values = from_columns(self._files.column, arrays)
        return offsets, values.take(pa.array(offsets))


def spread(values: pa.Array, offsets: np.ndarray, start: int, stop: int) -> pa.Array:
    """Place values at physical offsets within ``[start, stop)``; NULL where there is none.

    Examples
    --------
    >>> spread(pa.array([7, 9]), np.array([11, 13]), 10, 14).to_pylist()
    [None, 7, None, 9]
    """
    if len(offsets) == stop - start:
        return values
    indices = np.full(stop - start, -1, np.int64)
    indices[offsets - start] = np.arange(len(offsets))
    return values.take(pa.array(indices, mask=indices < 0))


class _PlainEncoder:
    """Writes values as they are."""

    def __init__(self, open_writer: Callable[[pa.Schema], Any], column: ComputedColumn) -> None:
        self._column = column
        self._schema = pa.schema(stored_fields(column))
        self._writer = open_writer(self._schema)

    def write(self, values: pa.Array) -> None:
        columns = to_columns(self._column, values)
        self._writer.write_batch(pa.record_batch(columns, schema=self._schema))

    def close(self, metadata: dict[str, str]) -> int:
        for key, value in metadata.items():
            self._writer.add_schema_metadata(key, value)
        return int(self._writer.close())


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a partial column file says about its rows.

    Attributes
    ----------
    computed : np.ndarray
        Mask of those that are computed.
    failed : np.ndarray
        Physical offsets of those for which the function failed.
    fragment_id : int
        The fragment that it was written for.
    """

    computed: np.ndarray
    failed: np.ndarray
    fragment_id: int


def read_coverage(location: TableLocation, path: str, physical_rows: int) -> Coverage:
    """Return what a partial column file says about its rows.

    Raises
    ------
    DamagedFileError
        The file cannot be opened, or says nothing that could be that.
    """
    uri = f"{location.uri}/data/{path}"
    try:
        reader = LanceFileReader(uri, storage_options=location.options)
        metadata = reader.metadata().schema.metadata or {}
        packed = bytes.fromhex(metadata[COVERAGE_KEY.encode()].decode())
        failed = metadata.get(FAILED_KEY.encode())
        rows = None if failed is None else bytes.fromhex(failed.decode())
        return Coverage(
            computed=unpack_rows(packed, physical_rows),
            failed=np.flatnonzero(unpack_rows(rows, physical_rows)),
            fragment_id=int(metadata.get(FRAGMENT_KEY.encode(), b"-1")),
        )
    except (OSError, LookupError, ValueError, zlib.error) as error:
        why = f"it has no {COVERAGE_KEY}" if isinstance(error, LookupError) else in_words(error)
        raise DamagedFileError(
            f"The column file data/{path} of table {location.name!r} cannot be used: {why}. "
            "table.verify() says which files are damaged and what repairs each."
        ) from None


def read_metadata(location: TableLocation, path: str) -> dict[str, str] | None:
    """Return what a column file says about who computed it; None if the file is gone."""
    try:
        reader = LanceFileReader(f"{location.uri}/data/{path}", storage_options=location.options)
    except (OSError, ValueError) as error:
        if "not found" not in str(error).lower():
            raise
        return None
    metadata = reader.metadata().schema.metadata or {}
    return {
        key.decode(): value.decode()
        for key, value in metadata.items()
        if key.startswith(b"geneva.") and key.decode() not in (COVERAGE_KEY, FAILED_KEY)
    }
