"""A checksum of values that is the same however they are cut into batches.

Lance keeps no checksums. So a column file says the checksum of the values that it was given, and
verifying it compares that of the values that come back: a changed byte, on its way or on the disk,
is found wherever it is.
"""

from __future__ import annotations

import zlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class ValueChecksum:
    """Checksum of the values of one column, taken batch by batch.

    Values are split into streams that only ever grow with rows: which are there, how long they are,
    and their bytes; those of lists and structs further into the same of their items and fields.
    What lies in memory under a NULL does not count.

    Examples
    --------
    >>> whole, pieces = ValueChecksum(), ValueChecksum()
    >>> whole.update(pa.array([[1], None, [2, 3]]))
    >>> pieces.update(pa.array([[1], None]))
    >>> pieces.update(pa.array([[2, 3]]))
    >>> whole.text() == pieces.text()
    True
    """

    def __init__(self) -> None:
        self._streams: dict[str, int] = {}
        self._known = True

    def update(self, values: pa.Array) -> None:
        """Take the next values."""
        try:
            self._take("", values)
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
            self._known = False

    def text(self) -> str | None:
        """Return the checksum; None where the type is one that cannot be split."""
        if not self._known:
            return None
        named = [f"{name}={crc:08x}" for name, crc in sorted(self._streams.items())]
        return f"crc32:{zlib.crc32(' '.join(named).encode()):08x}"

    def _take(self, name: str, values: pa.Array) -> None:
        kind = values.type
        if pa.types.is_dictionary(kind):
            self._take(name, values.dictionary_decode())
            return
        if pa.types.is_map(kind):
            pairs = pa.struct([kind.key_field, kind.item_field])
            self._take(name, values.cast(pa.list_(pairs)))
            return
        valid = values.is_valid().to_numpy(zero_copy_only=False)
        self._add(f"{name}?", valid.view(np.uint8))
        if pa.types.is_null(kind):
            return
        if pa.types.is_struct(kind):
            # Flattened, the fields are NULL where the struct is.
            for field, part in zip(kind, values.flatten(), strict=True):
                self._take(f"{name}.{field.name}", part)
        elif pa.types.is_fixed_size_list(kind):
            self._take(f"{name}[]", values.drop_null().flatten())
        elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
            present = values.drop_null()
            self._add(f"{name}#", _lengths(pc.list_value_length(present)))
            self._take(f"{name}[]", present.flatten())
        elif _is_text(kind):
            present = values.drop_null()
            self._add(f"{name}#", _lengths(pc.binary_length(present)))
            self._add(name, _text_bytes(present))
        elif pa.types.is_boolean(kind):
            self._add(name, values.drop_null().cast(pa.uint8()).to_numpy())
        else:
            self._add(name, _fixed_bytes(values.drop_null()))

    def _add(self, stream: str, data: np.ndarray | memoryview) -> None:
        bytes_of = data.data if isinstance(data, np.ndarray) else data
        self._streams[stream] = zlib.crc32(bytes_of, self._streams.get(stream, 0))


def _is_text(kind: pa.DataType) -> bool:
    of_text = (pa.types.is_string, pa.types.is_large_string)
    of_bytes = (pa.types.is_binary, pa.types.is_large_binary)
    return any(is_kind(kind) for is_kind in (*of_text, *of_bytes))


def _lengths(lengths: pa.Array) -> np.ndarray:
    # Long offsets or short ones: the values are the same.
    numbers: np.ndarray = lengths.cast(pa.int64()).to_numpy()
    return numbers


def _text_bytes(values: pa.Array) -> memoryview:
    large = pa.types.is_large_string(values.type) or pa.types.is_large_binary(values.type)
    _, offsets, data = values.buffers()
    if not len(values) or data is None:
        return memoryview(b"")
    bounds = np.frombuffer(offsets, np.int64 if large else np.int32)
    first, last = bounds[values.offset], bounds[values.offset + len(values)]
    return memoryview(data)[first:last]


def _fixed_bytes(values: pa.Array) -> memoryview:
    try:
        width = values.type.bit_width // 8
    except ValueError:
        raise pa.ArrowNotImplementedError(f"no checksum of {values.type}") from None
    data = values.buffers()[1]
    if not len(values) or data is None:
        return memoryview(b"")
    return memoryview(data)[values.offset * width : (values.offset + len(values)) * width]
