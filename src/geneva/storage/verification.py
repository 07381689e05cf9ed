"""Look at everything that a table says and holds of one computed column.

Nothing is judged here, nothing is changed, and no function is unpickled.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from lance.file import LanceFileReader, LanceFileSession

from geneva.storage.blob_check import check_blobs
from geneva.storage.blobs import is_blob_field, lies_apart
from geneva.storage.checksum import ValueChecksum
from geneva.storage.column_file import file_tag
from geneva.storage.dataset import Dataset, file_positions, in_words, lance_field
from geneva.storage.definitions import computed_column, definition_of
from geneva.storage.facts import ColumnFacts, FileFacts, FragmentFacts
from geneva.storage.files import TableFiles
from geneva.storage.groups import is_grouped, missing_siblings
from geneva.storage.held import ColumnFields
from geneva.storage.model import ComputedColumn, Part, TableLocation
from geneva.storage.packed_functions import stored_digest
from geneva.storage.parts import list_parts
from geneva.storage.reader import read_column

# Stores answer slowly, and several at once; a local disk is busy with fewer.
_THREADS = 8
# Rows at either end of a fragment; a blob may have gigabytes.
_SAMPLE_ROWS, _SAMPLE_BLOBS = 32, 4
_WINDOW_BYTES, _WINDOW_ROWS = 2 << 20, 8192
# The last bytes of every Lance file.
_MAGIC = b"LANC"
# What Lance and Arrow raise for bytes that make no sense to them.
_DAMAGE = (OSError, ValueError, RuntimeError, LookupError, MemoryError, pa.ArrowException)

_T = TypeVar("_T")


def look_at_column(
    dataset: Dataset, location: TableLocation, name: str, *, deep: bool
) -> ColumnFacts:
    """Look at a computed column.

    Parameters
    ----------
    dataset, location
        The table at the version to look at.
    name
        The column, whose field says that it is computed.
    deep
        Read all values, not only the first and the last of every fragment.
    """
    field = dataset.schema.field(name)
    definition = definition_of(field)
    column = _defined(dataset, name)
    files = TableFiles(location)
    inputs = () if column is None else column.input_columns
    fields = {read: lance_field(dataset, read) for read in inputs}
    known = column or _undefined(dataset, field)
    parts = list_parts(files, known.field_id)
    look = _Look(dataset, location, known, deep, column is not None, parts)
    gone = missing_siblings(dataset.schema, field)
    with ThreadPoolExecutor(_THREADS) as pool:
        fragments = tuple(pool.map(look.at_fragment, dataset.get_fragments()))
    payload = definition.get("udf")
    return ColumnFacts(
        table=location.name,
        column=name,
        version=dataset.version,
        data_type=known.data_type,
        definition=definition,
        missing_inputs=tuple(read for read, found in fields.items() if found is None),
        payload_digest=stored_digest(files, payload) if payload else None,
        fragments=fragments,
        spare_parts=sum(map(len, parts.values())) - sum(f.parts for f in fragments),
        missing_siblings=tuple(gone),
    )


def _defined(dataset: Dataset, name: str) -> ComputedColumn | None:
    """Return a column's definition; None if it is not complete or of another program."""
    try:
        return computed_column(dataset, name)
    except (KeyError, ValueError):
        return None


def _undefined(dataset: Dataset, field: pa.Field) -> ComputedColumn:
    """Return what a field says of its values alone."""
    blob = is_blob_field(field)
    field_id = lance_field(dataset, field.name).id()  # type: ignore[union-attr]
    data_type = pa.large_binary() if blob else field.type
    return ComputedColumn(field.name, field_id, data_type, blob, "", "", "", ())


class _Look:
    """Looks at the fragments of one column."""

    def __init__(
        self,
        dataset: Dataset,
        location: TableLocation,
        column: ComputedColumn,
        deep: bool,
        defined: bool,
        parts: dict[str, list[Part]],
    ) -> None:
        self._dataset = dataset
        self._location = location
        self._column = column
        self._deep = deep
        self._defined = defined
        self._parts = parts
        self._session = LanceFileSession(f"{location.uri}/data", storage_options=location.options)
        self._fields = ColumnFields(dataset, column)

    def at_fragment(self, fragment: Any) -> FragmentFacts:
        """Look at what one fragment holds of the column."""
        fingerprint = self._fields.held_by(fragment).fingerprint
        held = {path for path, _, _ in file_positions(fragment, self._fields.outputs)}
        shared = held & {path for path, _, _ in file_positions(fragment, self._fields.inputs)}
        files = tuple(
            self._at_file(file, holds_inputs=file.path in shared)
            for file in fragment.data_files()
            if file.path in held
        )
        rows = fragment.physical_rows
        problem, checksum = "", None
        if files and all(_is_readable(file, rows) for file in files):
            problem, checksum = self._read(fragment, files)
        return FragmentFacts(
            fragment_id=fragment.fragment_id,
            physical_rows=rows,
            fingerprint=fingerprint if self._defined else None,
            files=files,
            read_problem=problem,
            checksum=checksum,
            parts=self._useful_parts(fragment.fragment_id, fingerprint, files),
        )

    def _useful_parts(
        self, fragment_id: int, fingerprint: str, files: tuple[FileFacts, ...]
    ) -> int:
        if any(file.complete and file.fingerprint == fingerprint for file in files):
            return 0
        parts = self._parts.get(fingerprint, ())
        return sum(part.fragment_id == fragment_id for part in parts)

    def _at_file(self, file: Any, *, holds_inputs: bool) -> FileFacts:
        path, listed = file.path, file.file_size_bytes or None
        tag = file_tag(path)
        facts: dict[str, Any] = {
            "path": path,
            "listed_bytes": listed,
            "fingerprint": None if tag is None else tag.fingerprint,
            "complete": tag is None or tag.complete,
            "holds_inputs": holds_inputs,
        }
        if file.base_id is not None:
            # It lies in another table's folder, which only Lance knows.
            return FileFacts(**facts)
        facts |= self._size(path, listed)
        if facts["exists"] and facts["size_fits"]:
            facts |= self._contents(path, ours=tag is not None)
        return FileFacts(**facts)

    def _size(self, path: str, listed: int | None) -> dict[str, Any]:
        if self._location.is_local:
            file = Path(self._location.uri, "data", path)
            found = file.stat().st_size if file.is_file() else None
            fits = listed is None or found == listed
            return {"exists": found is not None, "found_bytes": found, "size_fits": fits}
        exists = bool(self._session.contains(path))
        if not exists or listed is None:
            return {"exists": exists}
        # Lance gives no sizes of objects. It reads the end of a file at the size that is listed.
        try:
            end = self._session.read_range(path, listed - len(_MAGIC), len(_MAGIC))
        except OSError:
            end = b""
        return {"exists": True, "size_fits": end == _MAGIC}

    def _contents(self, path: str, *, ours: bool) -> dict[str, Any]:
        """Open a file and return what it says of itself."""

        def look() -> dict[str, Any]:
            uri = f"{self._location.uri}/data/{path}"
            reader = LanceFileReader(uri, storage_options=self._location.options)
            schema = reader.metadata().schema
            return {
                "rows": int(reader.num_rows()),
                "data_type": self._type_in(schema, ours=ours),
                "metadata": {k.decode(): v.decode() for k, v in (schema.metadata or {}).items()},
            }

        found, problem = _attempt(look)
        return {"problem": problem} if found is None else found

    def _type_in(self, schema: pa.Schema, *, ours: bool) -> pa.DataType | None:
        if not self._column.is_group:
            # The others of its group may be gone, so that nobody can say which one this is.
            alone = not is_grouped(self._dataset.schema.field(self._column.name))
            return _type_in(schema, None if ours and alone else self._column.name)
        names = [field.name for field in self._column.data_type]
        if ours and len(schema) == len(names):
            return pa.struct(list(zip(names, schema.types, strict=True)))
        types = [_type_in(schema, output) for output in self._column.output_names]
        known = [found for found in types if found is not None]
        # A file of others may hold some of the columns only.
        return pa.struct(list(zip(names, known, strict=False))) if known == types else None

    def _read(self, fragment: Any, files: tuple[FileFacts, ...]) -> tuple[str, str | None]:
        """Read values as any reader of the table would; return what went wrong, and a checksum."""
        if lies_apart(fragment.schema.field(self._column.name)):
            path = files[0].path
            check = partial(check_blobs, self._location, fragment, self._column.name, path)
            _, problem = _attempt(check)
            if problem:
                return problem, None
        read: Callable[[], str | None] = partial(self._read_ends, fragment)
        if self._deep:
            read = partial(self._read_all, fragment, files)
        checksum, problem = _attempt(read)
        return problem, checksum

    def _read_ends(self, fragment: Any) -> None:
        blob = self._column.is_blob
        options = {"blob_handling": "all_binary"} if blob else {}
        rows = _SAMPLE_BLOBS if blob else _SAMPLE_ROWS
        live = fragment.physical_rows - fragment.num_deletions
        for start in sorted({0, max(0, live - rows)}):
            fragment.scanner(
                columns=self._column.output_names,
                offset=start,
                limit=rows,
                batch_size=rows,
                **options,
            ).to_table()

    def _read_all(self, fragment: Any, files: tuple[FileFacts, ...]) -> str | None:
        per_row = sum(file.listed_bytes or 0 for file in files) // max(1, fragment.physical_rows)
        window = min(_WINDOW_ROWS, max(_SAMPLE_ROWS, _WINDOW_BYTES // max(1, per_row)))
        checksum = ValueChecksum()
        for values in read_column(self._dataset, fragment.fragment_id, self._column, window):
            checksum.update(values)
        return checksum.text()


def _attempt(read: Callable[[], _T]) -> tuple[_T | None, str]:
    """Return what was read, or None and why nothing could be."""
    try:
        return read(), ""
    except _DAMAGE as error:
        return None, in_words(error) or type(error).__name__
    except BaseException as error:
        # Lance panics over some bytes, and Python does not count that as an Exception.
        if type(error).__module__ != "pyo3_runtime":
            raise
        return None, in_words(error)


def _is_readable(file: FileFacts, physical_rows: int) -> bool:
    return (
        file.exists and file.size_fits and file.rows in (None, physical_rows) and not file.problem
    )


def _type_in(schema: pa.Schema, name: str | None) -> pa.DataType | None:
    """Return the type of a column in a file: the first for None.

    None where that cannot be told: a file that others wrote before the column was renamed has it
    under its old name, and the pieces of blobs are listed as if they were columns.
    """
    at = [0] if name is None else schema.get_all_field_indices(name)
    if len(at) != 1 or not len(schema):
        return None
    field = schema.field(at[0])
    blob = b"lance-encoding:blob" in (field.metadata or {})
    return pa.large_binary() if blob else field.type
