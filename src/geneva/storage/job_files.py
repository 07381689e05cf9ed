"""The files of one job beside the tables: record, history, what it printed, what others wish."""

from __future__ import annotations

import re
import time
import uuid
from pathlib import Path, PurePosixPath

from geneva.storage.files import JOBS_FOLDER, TableFiles
from geneva.storage.model import TableLocation

RECORD = "record.json"
ENDED = "ended.json"
HISTORY = "history.json"
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def folder_of(job_id: str) -> str:
    """Return the folder of a job: its id, or what stands for one that cannot be a file's name.

    Examples
    --------
    >>> folder_of("nightly-24"), folder_of("nightly: 24") == folder_of("nightly; 24")
    ('_geneva/jobs/nightly-24', False)
    """
    if _PLAIN.fullmatch(job_id):
        return f"{JOBS_FOLDER}/{job_id}"
    return f"{JOBS_FOLDER}/={job_id.encode().hex()[:200]}"


class JobFiles:
    """Reads and writes the files of one job.

    Parameters
    ----------
    database
        The database's folder or prefix.
    job_id
        The job.

    Examples
    --------
    >>> import tempfile
    >>> files = JobFiles(TableLocation(tempfile.mkdtemp()), "j1")
    >>> files.read_record() is None, files.read_wishes({})
    (True, {})
    >>> files.write_record("{}")
    >>> files.write_lines(0, "seven")
    >>> files.add_wish("cancel")
    >>> files.read_record(), files.read_lines(), list(files.read_wishes({}).values())
    ('{}', ['seven'], ['cancel'])
    """

    def __init__(self, database: TableLocation, job_id: str) -> None:
        self._files = TableFiles(database)
        self._folder = folder_of(job_id)
        self._wishes = f"{self._folder}/wishes"
        self._local = Path(database.uri) if database.is_local else None

    # Nothing here is needed after a crash of the machine, so nothing is forced to the disk.

    def write_record(self, text: str, *, ended: bool = False) -> None:
        """Replace the record.

        The one of a job that has ended is a file of its own: file systems take more than ten times
        as long to replace a file as to write a new one.
        """
        name = ENDED if ended else RECORD
        self._files.write(f"{self._folder}/{name}", text.encode(), durable=False)

    def read_record(self) -> str | None:
        """Return the record; None if there is no such job."""
        return self._read(f"{self._folder}/{ENDED}") or self._read(f"{self._folder}/{RECORD}")

    def write_history(self, text: str) -> None:
        """Replace how the job went until now."""
        self._files.write(f"{self._folder}/{HISTORY}", text.encode(), durable=False)

    def read_history(self) -> str | None:
        """Return how the job went; None if that was not written."""
        return self._read(f"{self._folder}/{HISTORY}")

    def write_lines(self, number: int, text: str) -> None:
        """Write a further piece of what the job printed."""
        self._files.write(f"{self._folder}/lines-{number:08}.txt", text.encode(), durable=False)

    def pieces(self) -> int:
        """Return the number of the next piece."""
        numbers = [int(path.stem.partition("-")[2]) for path in self._piece_paths()]
        return max(numbers, default=-1) + 1

    def read_lines(self) -> list[str]:
        """Return everything that the job printed, line by line."""
        found: list[str] = []
        for path in self._piece_paths():
            found += (self._read(str(path)) or "").splitlines()
        return found

    def add_wish(self, text: str) -> None:
        """Tell whoever runs the job what is wanted of it."""
        # In the order of their names; whose clock is off by more than it matters waits for once.
        name = f"{time.time_ns():020}-{uuid.uuid4().hex[:8]}.json"
        self._files.write(f"{self._wishes}/{name}", text.encode(), durable=False)

    def read_wishes(self, known: dict[str, str]) -> dict[str, str]:
        """Return all wishes in order, by their names, of which some are known."""
        names = self._files.list(self._wishes)
        texts = {name: known.get(name) or self._read(name) for name in names}
        return {name: text for name, text in texts.items() if text is not None}

    def forget_wishes(self) -> None:
        """Remove what was wanted of the job before it was paused."""
        for path in self._files.list(self._wishes):
            self._files.delete(path)

    def clear(self) -> None:
        """Remove what an earlier job of the same id left."""
        for path in self._files.list(self._folder):
            self._files.delete(path)

    def _piece_paths(self) -> list[PurePosixPath]:
        paths = [PurePosixPath(path) for path in self._files.list(self._folder)]
        return [path for path in paths if path.name.startswith("lines-")]

    def _read(self, path: str) -> str | None:
        try:
            if self._local is not None:
                return (self._local / path).read_text("utf-8")
            return str(self._files.read(path).to_pybytes(), "utf-8")
        except FileNotFoundError:
            return None
