"""Notes which rows a worker computes where the note outlives its process.

When a function crashes the interpreter, nothing that the process knew can be asked any more. The
note is a small file that is written before each batch and read after a death.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

from geneva.jobs.events import BatchRows
from geneva.storage.model import RowRange

_NOTE = struct.Struct("<qqq")
_NOTHING = _NOTE.pack(-1, 0, 0)


class FlightRecorder:
    """What the threads of one worker compute at this moment.

    Parameters
    ----------
    path
        The file; None keeps no file.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "notes")
    >>> recorder = FlightRecorder(path)
    >>> with recorder.computing(BatchRows(3, RowRange(40, 72))):
    ...     read_notes(path) == recorder.current == BatchRows(3, RowRange(40, 72))
    True
    >>> read_notes(path) is recorder.current is None
    True
    """

    def __init__(self, path: Path | None) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        self._file = None if path is None else os.open(path, flags, 0o600)
        self._thread = threading.local()
        self._slots = 0
        self._lock = threading.Lock()

    @property
    def current(self) -> BatchRows | None:
        """What the calling thread computes."""
        return getattr(self._thread, "batch", None)

    @contextlib.contextmanager
    def computing(self, batch: BatchRows) -> Iterator[None]:
        """Note a batch while the calling thread computes it."""
        self._thread.batch = batch
        rows = batch.rows
        self._write(_NOTE.pack(batch.fragment_id, rows.start, rows.stop))
        try:
            yield
        finally:
            self._thread.batch = None
            self._write(_NOTHING)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, note: bytes) -> None:
        if self._file is None:
            return
        slot: int | None = getattr(self._thread, "slot", None)
        if slot is None:
            with self._lock:
                slot = self._thread.slot = self._slots
                self._slots += 1
        os.pwrite(self._file, note, slot * _NOTE.size)


def read_notes(path: Path | str | None) -> BatchRows | None:
    """Return what a worker was computing; the range of all its threads together, None for nothing.

    Threads of one worker compute batches of one task, so of one fragment.
    """
    try:
        data = b"" if path is None else Path(path).read_bytes()
    except OSError:
        return None
    notes = [note for note in _NOTE.iter_unpack(data[: len(data) // 24 * 24]) if note[0] >= 0]
    if not notes:
        return None
    fragment_id = notes[0][0]
    mine = [note for note in notes if note[0] == fragment_id]
    return BatchRows(fragment_id, RowRange(min(n[1] for n in mine), max(n[2] for n in mine)))
