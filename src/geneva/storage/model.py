"""What storage says about a table, as plain data: no Lance objects leave this package."""

from __future__ import annotations

import enum
import hashlib
import zlib
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

import numpy as np
import pyarrow as pa


@dataclass(frozen=True, slots=True)
class TableLocation:
    """Where a table is and how to reach it.

    Attributes
    ----------
    uri : str
        Path or object-store URI of the Lance dataset.
    storage_options : tuple of (str, str)
        Options of the object store.
    parts_uri : str or None
        Where the table's parts are; None for its own folder.
    """

    uri: str
    storage_options: tuple[tuple[str, str], ...] = ()
    parts_uri: str | None = None

    @property
    def name(self) -> str:
        """Name of the table."""
        return PurePosixPath(self.uri).name.removesuffix(".lance")

    @property
    def database(self) -> TableLocation:
        """Where the database is that the table belongs to.

        Examples
        --------
        >>> TableLocation("s3://bucket/db/docs.lance").database.uri
        's3://bucket/db'
        """
        return TableLocation(self.uri.rpartition("/")[0], self.storage_options)

    def with_parts_below(self, uri: str) -> TableLocation:
        """Return the same table with its parts in a folder of its own below another place.

        Examples
        --------
        >>> TableLocation("/db/docs.lance").with_parts_below("s3://scratch").parts_uri
        's3://scratch/docs-50d043bb9695'
        """
        identity = hashlib.blake2b(self.uri.encode(), digest_size=6).hexdigest()
        return replace(self, parts_uri=f"{uri}/{self.name}-{identity}")

    @property
    def options(self) -> dict[str, str] | None:
        """Storage options as Lance takes them."""
        return dict(self.storage_options) or None

    @property
    def is_local(self) -> bool:
        """Whether the table lies on a local file system."""
        return "://" not in self.uri


@dataclass(frozen=True, slots=True)
class RowRange:
    """Physical row offsets of one fragment, from ``start`` up to but without ``stop``."""

    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


class Origin(enum.Enum):
    """Where the values come from that a fragment holds in a computed column."""

    MISSING = "missing"
    """There are none."""

    FRESH = "fresh"
    """This version of the function computed all rows from the current inputs."""

    PARTIAL = "partial"
    """This version of the function computed some rows from the current inputs."""

    STALE = "stale"
    """Another version of the function, or other inputs."""

    FAILED = "failed"
    """This version of the function failed; only said of rows."""


@dataclass(frozen=True, slots=True)
class Pending:
    """Rows that are to be computed, for one reason.

    Attributes
    ----------
    kind : Origin
        ``MISSING``, ``STALE`` or ``FAILED``.
    words : str
        Why, as the end of a sentence that begins with the rows.
    rows : int
        How many.
    """

    kind: Origin
    words: str
    rows: int


@dataclass(frozen=True, slots=True)
class Part:
    """A durable result of one physical row range of one fragment.

    Attributes
    ----------
    fragment_id : int
        Fragment of the rows.
    rows : RowRange
        Range in which the part holds what was to be computed.
    dense : bool
        Whether that was every live row of the range.
    path : str
        File, relative to the table.
    """

    fragment_id: int
    rows: RowRange
    dense: bool
    path: str


@dataclass(frozen=True, slots=True)
class ColumnFile:
    """A written column file of one fragment, ready to be committed.

    Attributes
    ----------
    fragment_id : int
        Fragment that the file belongs to.
    path : str
        File, relative to the table's ``data`` folder.
    fields, column_indices : tuple of int
        Field ids of the leaf columns and their positions in the file.
    major, minor : int
        Version of the file format.
    size_bytes : int or None
        Size of the file.
    beside : tuple of ColumnFile
        Files of the other columns that were computed in the same pass.
    """

    fragment_id: int
    path: str
    fields: tuple[int, ...]
    column_indices: tuple[int, ...]
    major: int
    minor: int
    size_bytes: int | None
    beside: tuple[ColumnFile, ...] = ()


@dataclass(frozen=True, slots=True)
class FragmentState:
    """What one fragment holds of a computed column.

    Attributes
    ----------
    fragment_id : int
        Id of the fragment.
    physical_rows, live_rows : int
        Rows with and without the deleted ones.
    fingerprint : str
        Identifies the function's version together with this fragment's input files.
    origin : Origin
        Where its values come from.
    pending_rows : int
        Live rows that are selected and not computed.
    input_bytes : int
        Size of the files that hold its inputs; an upper bound of what is read.
    covered : bytes or None
        Rows computed already, packed by :func:`pack_rows`; None for none or all.
    parts : tuple of Part
        Parts that an earlier, unfinished job left and that still hold.
    redo : bool
        Whether selected rows are computed again although they are computed. ``parts`` are then
        those of this very job, which goes on after its driver was lost.
    done : bytes or None
        Rows that are not to be computed, packed; None for none or all.
    why : tuple of Pending
        The pending rows by reason, where the reasons differ from row to row.
    files : frozenset of str
        Column files, relative to ``data``, that computed rows come from.
    failed : bytes or None
        Rows for which the function failed, packed; None for none.
    """

    fragment_id: int
    physical_rows: int
    live_rows: int
    fingerprint: str
    origin: Origin
    pending_rows: int
    input_bytes: int = 0
    covered: bytes | None = None
    parts: tuple[Part, ...] = ()
    redo: bool = False
    done: bytes | None = None
    why: tuple[Pending, ...] = ()
    files: frozenset[str] = frozenset()
    failed: bytes | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """A column of the table that holds what a function computes, or a field of it.

    Attributes
    ----------
    name : str
        Name of the column.
    field_id : int
        Id of its field.
    struct_field : str or None
        Field of the function's struct that it holds; None for the whole value.
    """

    name: str
    field_id: int
    struct_field: str | None = None


@dataclass(frozen=True, slots=True)
class ComputedColumn:
    """A computed column as its field metadata describes it; the function itself stays packed.

    Attributes
    ----------
    name : str
        Name of the column; of a group, of the one that was asked for.
    field_id : int
        Id of its field; of a group, of its first one. What jobs keep is known by it.
    data_type : pa.DataType
        Type of its values in memory (``large_binary`` for a blob). Of a group, a struct of them.
    is_blob : bool
        Whether it is stored as blobs.
    udf_name, udf_version : str
        Name and version of the function.
    payload : str
        File with the pickled function, relative to the table.
    input_columns : tuple of str
        Columns that the function reads, in the order of its parameters.
    options : dict
        Needs and sizes given to ``@udf``: num_cpus, num_gpus, memory, batch_size, ...
    repointed : bool
        Whether another function may have computed values that came with an append.
    stored_by, stored_at : str
        Who stored the function, ``user@host``, and when, ISO 8601; empty if that is not said.
    parts : str
        What the function's digest is made of, as JSON; empty if that is not said.
    changed : str
        What was different when it took the place of another function; empty for the first one.
    signature : str
        Signature of all that is said here; empty if it is not signed.
    outputs : tuple of Output
        The columns that hold the values: one, or those of a group in the order of the struct.
    targets : tuple of ComputedColumn
        Columns that are computed in one pass, of which this is the sum; see
        :mod:`geneva.storage.shared`.
    """

    name: str
    field_id: int
    data_type: pa.DataType
    is_blob: bool
    udf_name: str
    udf_version: str
    payload: str
    input_columns: tuple[str, ...]
    options: dict[str, object] = field(default_factory=dict)
    repointed: bool = False
    stored_by: str = ""
    stored_at: str = ""
    parts: str = ""
    changed: str = ""
    signature: str = ""
    outputs: tuple[Output, ...] = ()
    targets: tuple[ComputedColumn, ...] = ()

    def __post_init__(self) -> None:
        if not self.outputs:
            object.__setattr__(self, "outputs", (Output(self.name, self.field_id),))

    @property
    def is_group(self) -> bool:
        """Whether the fields of the function's struct are columns of their own."""
        return self.outputs[0].struct_field is not None

    @property
    def output_names(self) -> list[str]:
        """Names of the columns that hold the values."""
        return [output.name for output in self.outputs]


@dataclass(frozen=True, slots=True)
class TableSnapshot:
    """A computed column of a table at one version.

    Attributes
    ----------
    location : TableLocation
        The table.
    version : int
        Version that was looked at and that workers read.
    column : ComputedColumn
        The column.
    where : str or None
        Filter that selects rows.
    fragments : tuple of FragmentState
        All fragments, in order.
    """

    location: TableLocation
    version: int
    column: ComputedColumn
    where: str | None
    fragments: tuple[FragmentState, ...]


def pack_rows(mask: np.ndarray) -> bytes:
    """Pack a boolean mask over the physical rows of a fragment."""
    return zlib.compress(np.packbits(mask).tobytes(), 6)


def unpack_rows(packed: bytes | None, physical_rows: int) -> np.ndarray:
    """Return the mask that :func:`pack_rows` packed; all False for None."""
    if packed is None:
        return np.zeros(physical_rows, bool)
    bits = np.frombuffer(zlib.decompress(packed), np.uint8)
    return np.unpackbits(bits, count=physical_rows).astype(bool)
