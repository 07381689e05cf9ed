"""Parts: durable results of row ranges, from which a job restarts and a column file is made.

A part is an Arrow IPC file with two columns, the physical row offset and the value. What it is a
result of stands in its path, so that a restart reads a listing and no files::

    _geneva/parts/<field id>/<fingerprint>/<fragment>-<start>-<stop>-<dense|sparse>-<name>.arrow

The last piece is from :func:`~geneva.storage.names.unique_name`.
"""

from __future__ import annotations

import zlib

import numpy as np
import pyarrow as pa

from geneva.storage import fault_points
from geneva.storage.files import PARTS_FOLDER, TableFiles
from geneva.storage.model import Part, RowRange
from geneva.storage.names import is_of, unique_name

_FAILED_KEY = "geneva.failed"


def write_part(
    files: TableFiles,
    folder: str,
    call_id: str,
    part_of: tuple[int, RowRange, bool],
    offsets: list[np.ndarray],
    values: list[pa.Array],
    data_type: pa.DataType,
    failed: np.ndarray | None = None,
    name: str | None = None,
) -> Part:
    """Write computed rows as one part.

    Parameters
    ----------
    files
        Files of the table.
    folder
        ``<field id>/<fingerprint>``, see :func:`part_folder`.
    call_id
        The call that computed it.
    part_of
        Fragment, physical range that the part accounts for, and whether it is dense.
    offsets, values
        Physical offsets (ascending) and values of the rows, batch by batch.
    data_type
        Type of the values.
    failed
        Physical offsets of rows in the range for which the function failed; None for none. The part
        is not dense then.
    name
        Name of the file. Default: a new one.
    """
    fragment_id, rows, dense = part_of
    schema = pa.schema([pa.field("offset", pa.uint32()), pa.field("value", data_type)])
    if failed is not None and len(failed):
        dense = False
        packed = zlib.compress(failed.astype(np.uint32).tobytes()).hex()
        schema = schema.with_metadata({_FAILED_KEY: packed})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema) as writer:
        for batch_offsets, batch_values in zip(offsets, values, strict=True):
            if batch_values.type != data_type:
                # A struct whose fields the function says are never NULL; their columns may be.
                batch_values = batch_values.cast(data_type)
            columns = [pa.array(batch_offsets, pa.uint32()), batch_values]
            writer.write_batch(pa.record_batch(columns, schema=schema))
    kind = "dense" if dense else "sparse"
    name = name or f"{fragment_id}-{rows.start}-{rows.stop}-{kind}-{unique_name(call_id)}.arrow"
    path = f"{PARTS_FOLDER}/{folder}/{name}"
    fault_points.passed(fault_points.PART_BEGUN)
    files.write(path, sink.getvalue())
    fault_points.passed(fault_points.PART_WRITTEN)
    return Part(fragment_id=fragment_id, rows=rows, dense=dense, path=path)


def part_folder(field_id: int, fingerprint: str) -> str:
    """Return the folder, below the parts' own, of one fragment's results."""
    return f"{field_id}/{fingerprint}"


def list_parts(files: TableFiles, field_id: int) -> dict[str, list[Part]]:
    """Return the parts of a column by fingerprint, in order of their ranges."""
    found: dict[str, list[Part]] = {}
    for path in files.list(f"{PARTS_FOLDER}/{field_id}"):
        folder, _, name = path.rpartition("/")
        fragment_id, start, stop, kind, _ = name.split("-", 4)
        part = Part(
            fragment_id=int(fragment_id),
            rows=RowRange(int(start), int(stop)),
            dense=kind == "dense",
            path=path,
        )
        found.setdefault(folder.rpartition("/")[2], []).append(part)
    for parts in found.values():
        parts.sort(key=lambda part: (part.fragment_id, part.rows.start))
    return found


def part_is_of(part: Part, call_id: str) -> bool:
    """Say whether a call wrote a part."""
    return is_of(part.path.rpartition("-")[2], call_id)


def read_part(files: TableFiles, part: Part) -> pa.Table:
    """Read a part: columns ``offset`` (uint32) and ``value``."""
    with pa.ipc.open_file(files.read(part.path)) as reader:
        return reader.read_all()


def failed_in(table: pa.Table) -> np.ndarray:
    """Return the physical offsets of rows that failed, from a part as it was read."""
    packed = (table.schema.metadata or {}).get(_FAILED_KEY.encode())
    data = b"" if packed is None else zlib.decompress(bytes.fromhex(packed.decode()))
    return np.frombuffer(data, np.uint32)


def read_part_offsets(files: TableFiles, part: Part) -> np.ndarray:
    """Return the physical offsets of the rows in a part."""
    offsets: np.ndarray = read_part(files, part)["offset"].to_numpy()
    return offsets


def remove_parts(files: TableFiles, field_id: int, fragments: dict[int, str]) -> None:
    """Remove the parts of fragments, given as fragment id to fingerprint."""
    for fingerprint, parts in list_parts(files, field_id).items():
        for part in parts:
            if fragments.get(part.fragment_id) == fingerprint:
                files.delete(part.path)
                fault_points.passed(fault_points.PART_REMOVED)
