"""A single value in full, as a browser may get it."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.types as pt

from geneva.console.media import HEAD_BYTES, media_of
from geneva.errors import GenevaError
from geneva.overview import location_of
from geneva.storage.dataset import Dataset, open_dataset
from geneva.storage.page import (
    check_is_there,
    holds_blobs,
    read_blob,
    read_row,
    read_values,
)

MOST_BYTES = 32 << 20
"""Largest value that is handed out."""

TEXT = "text/plain; charset=utf-8"
# A browser only shows or plays these; what could run in a page is not among them.
SHOWN = frozenset(
    {
        "audio/flac",
        "audio/mp4",
        "audio/mpeg",
        "audio/ogg",
        "audio/wav",
        "image/avif",
        "image/bmp",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/webp",
        "video/mp4",
        "video/webm",
        TEXT,
    }
)


class NoContentError(GenevaError, LookupError):
    """There is no such row, or nothing in its column that could be handed out."""


class TooLargeError(GenevaError, ValueError):
    """A value is larger than what is handed out."""


@dataclass(frozen=True, slots=True)
class Content:
    """A value in full.

    Attributes
    ----------
    data : bytes
        Its bytes; of a text, in UTF-8.
    content_type : str
        One of :data:`SHOWN`, of a PDF ``application/pdf``, else ``application/octet-stream``.
    """

    data: bytes
    content_type: str

    @property
    def is_shown(self) -> bool:
        """Whether a browser may show it, and not only save it."""
        return self.content_type in SHOWN


def read_content(
    uri: str, table: str, address: int, column: str, version: int | None = None
) -> Content:
    """Read a binary value or a text in full.

    Parameters
    ----------
    uri, table, column
        Where it is.
    address
        ``_rowaddr`` of its row, as a page of rows says it.
    version
        Version of the table. Default: the latest.

    Raises
    ------
    TableNotFoundError, ColumnNotFoundError
        There is no such table, not at that version, or no such column.
    NoContentError
        There is no such row, it has NULL there, or the column holds neither texts nor bytes.
    TooLargeError
        The value is larger than 32 MiB.
    """
    dataset = open_dataset(location_of(uri, table), version)
    check_is_there(dataset, table, [column])
    where = f"Column {column!r} of row {address} in table {table!r}, version {dataset.version},"
    page = read_row(dataset, address)
    if page is None:
        raise NoContentError(
            f"Row {address} is not in table {table!r} at version {dataset.version}. It may have "
            "been deleted or moved; load the page of rows again."
        )
    if holds_blobs(dataset, column):
        found = read_blob(dataset, page, column, MOST_BYTES)
        is_text = False
    else:
        is_text = _holds_text(dataset, column, where)
        found = read_values(dataset, page, column, _whole)[0]
    if found is None:
        raise NoContentError(f"{where} is NULL, or kept outside of the table.")
    size, data = found
    if size > MOST_BYTES:
        raise TooLargeError(
            f"{where} has {size:,} bytes; at most {MOST_BYTES:,} are handed out. Read it in Python."
        )
    kind = TEXT if is_text else media_of(data[:HEAD_BYTES], size).content_type
    return Content(data, kind)


def _holds_text(dataset: Dataset, column: str, where: str) -> bool:
    kind = dataset.schema.field(column).type
    while isinstance(kind, (pa.ExtensionType, pa.DictionaryType)):
        kind = kind.storage_type if isinstance(kind, pa.ExtensionType) else kind.value_type
    if pt.is_string(kind) or pt.is_large_string(kind):
        return True
    if pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_fixed_size_binary(kind):
        return False
    raise NoContentError(f"{where} is {kind}: only texts and binary values are handed out.")


def _whole(values: pa.Array) -> list[tuple[int, bytes] | None]:
    if isinstance(values, pa.ExtensionArray):
        return _whole(values.storage)
    if pt.is_dictionary(values.type):
        return _whole(values.dictionary_decode())
    buffers = (one.as_buffer() if one.is_valid else None for one in values)
    return [
        None if b is None else (b.size, b.to_pybytes() if b.size <= MOST_BYTES else b"")
        for b in buffers
    ]


_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def part_of(asked: str | None, size: int) -> tuple[int, int] | None:
    """Return the first and last byte that a ``Range`` header asks for; None for all of them.

    Players ask for parts to begin in the middle. What is not understood is answered in full, as the
    standard allows.

    Examples
    --------
    >>> part_of("bytes=10-", 100), part_of("bytes=-10", 100), part_of("bytes=0-0,5-9", 100)
    ((10, 99), (90, 99), None)
    """
    found = _RANGE.fullmatch(asked or "")
    if found is None or not size or found.group() == "bytes=-":
        return None
    # Longer numbers than any size would take long to read.
    first, last = (text[:20] for text in found.groups())
    if first:
        start, stop = int(first), min(int(last), size - 1) if last else size - 1
    else:
        start, stop = max(0, size - int(last)), size - 1
    return (start, stop) if start <= stop else None
