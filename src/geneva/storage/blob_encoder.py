"""Encode bytes in the prepared layout that Lance's blob v2 columns expect.

Lance's own split: small values lie in the column file, middle ones in packed side files, large ones
in files of their own. Windows of bounded size keep a whole fragment of blobs out of memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
from lance.blob import BlobDescriptorArrayBuilder
from lance.file import LanceFileSession

_INLINE_BYTES = 64 << 10
_PACKED_BYTES = 4 << 20
_WINDOW_BYTES = 32 << 20


class BlobEncoder:
    """Writes the blob column of one file.

    Parameters
    ----------
    open_writer
        Opens the file's writer for a schema.
    session
        Session of the table's data folder, where side files go.
    column
        Name of the column.
    file
        Name of the column file that the side files belong to.
    """

    def __init__(
        self,
        open_writer: Callable[[pa.Schema], Any],
        session: LanceFileSession,
        column: str,
        file: str,
    ) -> None:
        self._session = session
        self._column = column
        self._file = file
        self._next_blob_id = 1
        self._schema = pa.schema([BlobDescriptorArrayBuilder(column).field])
        self._writer = open_writer(self._schema)

    def write(self, values: pa.Array) -> None:
        """Write binary values; null stays null."""
        window: list[bytes | None] = []
        size = 0
        for value in values:
            window.append(value.as_py())
            size += len(window[-1] or b"")
            if size >= _WINDOW_BYTES:
                self._write_window(window)
                window, size = [], 0
        if window:
            self._write_window(window)

    def close(self, metadata: dict[str, str]) -> int:
        """Finish the file with this schema metadata and return its rows."""
        for key, value in metadata.items():
            self._writer.add_schema_metadata(key, value)
        return int(self._writer.close())

    def _write_window(self, window: list[bytes | None]) -> None:
        packed = iter(self._write_packed(window))
        builder = BlobDescriptorArrayBuilder(self._column)
        for value in window:
            if value is None:
                builder.append_null()
            elif len(value) <= _INLINE_BYTES:
                builder.append_inline(value)
            elif len(value) < _PACKED_BYTES:
                builder.append(next(packed))
            else:
                writer = self._session.open_dedicated_blob_writer(self._file, self._new_id())
                writer.write(value)
                builder.append(writer.finish())
        self._writer.write_batch(pa.record_batch([builder.finish()], schema=self._schema))

    def _write_packed(self, window: list[bytes | None]) -> list[Any]:
        middle = [v for v in window if v is not None and _INLINE_BYTES < len(v) < _PACKED_BYTES]
        if not middle:
            return []
        writer = self._session.open_packed_blob_writer(self._file, self._new_id())
        for value in middle:
            writer.write_blob(value)
        return list(writer.finish())

    def _new_id(self) -> int:
        self._next_blob_id += 1
        return self._next_blob_id - 1
