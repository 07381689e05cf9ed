"""Whether the side files are there that the blobs of a fragment lie in.

A blob column stores where each blob is. Lance believes it, and asks for as much memory as a damaged
one says; so this is looked at before any blob is read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from geneva.storage.files import TableFiles
from geneva.storage.model import TableLocation

# Kinds of blobs that lie in side files: several in one, or one in its own.
_PACKED, _DEDICATED = 1, 2
_EXTERNAL = 3


def check_blobs(location: TableLocation, fragment: Any, column: str, path: str) -> None:
    """Look where the blobs of a fragment are said to be.

    Parameters
    ----------
    location
        The table.
    fragment
        Lance's fragment.
    column
        The blob column.
    path
        Its data file in this fragment.

    Raises
    ------
    OSError
        Side files are missing, or blobs are said to be larger than all files together.
    """
    scanner = fragment.scanner(columns=[column], include_deleted_rows=True, with_row_id=True)
    places = scanner.to_table()[column].combine_chunks()
    kind, size, blob_id = (places.field(name) for name in ("kind", "size", "blob_id"))
    there = TableFiles(location).list(f"data/{path.removesuffix('.lance')}")
    beside = pc.is_in(kind, pa.array([_PACKED, _DEDICATED], kind.type))
    needed = len(blob_id.filter(beside).unique())
    if len(there) < needed:
        raise OSError(f"{needed - len(there)} of {needed} side files with blobs are missing")
    if location.is_local:
        files = [f"data/{path}", *there]
        most = sum(Path(location.uri, file).stat().st_size for file in files)
        largest = pc.max(size.filter(pc.less(kind, _EXTERNAL))).as_py() or 0
        if largest > most:
            raise OSError(f"a blob is said to have {largest:,} bytes; all files have {most:,}")
