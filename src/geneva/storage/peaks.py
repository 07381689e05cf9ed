"""Remembers how much memory a column's function took, so that the next job knows it beforehand."""

from __future__ import annotations

import contextlib
import hashlib

from geneva.storage.files import PEAKS_FOLDER, TableFiles
from geneva.storage.model import ComputedColumn


def read_peak(files: TableFiles, column: ComputedColumn) -> int:
    """Return the most bytes that an applier of this function's version took; 0 if unknown."""
    try:
        return int(files.read(_path(column)).to_pybytes())
    except (OSError, ValueError):
        return 0


def write_peak(files: TableFiles, column: ComputedColumn, peak_bytes: int) -> None:
    """Remember the most bytes that an applier of this function's version took.

    What cannot be remembered is left: it must not hide how the job ended.
    """
    with contextlib.suppress(OSError):
        files.write(_path(column), str(peak_bytes).encode())


def _path(column: ComputedColumn) -> str:
    version = hashlib.blake2b(f"{column.udf_name}/{column.udf_version}".encode(), digest_size=8)
    return f"{PEAKS_FOLDER}/{column.field_id}-{version.hexdigest()}"
