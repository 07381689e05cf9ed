"""Notes which rows a worker computes where the note outlives its process.

When a function crashes the interpreter, nothing that the process knew can be asked any more. The
note is a small file that is written before each batch and read after a death.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from geneva.jobs.events import BatchRows, LossCause
from geneva.storage.model import RowRange

_NOTE = struct.Struct("<qqq")
_NOTHING = _NOTE.pack(-1, 0, 0)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a worker was ended.

    Attributes
    ----------
    cause : LossCause
        The cause; a crash unless somebody knows better.
    memory_bytes : int
        What it held, if that is why.
    """

    cause: LossCause = LossCause.CRASH
    memory_bytes: int = 0

    @classmethod
    def too_slow(cls) -> Verdict:
        """Return the verdict about a call that takes longer than it may."""
        return cls(LossCause.TOO_SLOW)

    @classmethod
    def too_large(cls, memory_bytes: int) -> Verdict:
        """Return the verdict about a process that holds more than it may."""
        return cls(LossCause.OUT_OF_MEMORY, memory_bytes)


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
        self._path = path
        self._file = None if path is None else os.open(path, flags, 0o600)
        self._thread = threading.local()
        self._slots = 0
        self._lock = threading.Lock()

    @property
    def current(self) -> BatchRows | None:
        """What the calling thread computes."""
        return getattr(self._thread, "batch", None)

    def noted(self) -> BatchRows | None:
        """Return what all threads compute, for one that computes nothing itself."""
        return read_notes(self._path)

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

    def condemn(self, verdict: Verdict) -> None:
        """Note why this process is about to end itself."""
        if self._path is not None:
            words = json.dumps([verdict.cause.value, verdict.memory_bytes])
            _verdict_file(self._path).write_text(words)

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


def read_verdict(path: Path | str | None) -> Verdict | None:
    """Return why a worker has ended itself; None if it did not."""
    try:
        cause, memory_bytes = json.loads(_verdict_file(Path(path or "")).read_text())
        return Verdict(LossCause(cause), memory_bytes)
    except (OSError, ValueError):
        return None


def remove_notes(path: Path | str) -> None:
    """Remove what a worker noted."""
    Path(path).unlink(missing_ok=True)
    _verdict_file(Path(path)).unlink(missing_ok=True)


def _verdict_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.verdict")
