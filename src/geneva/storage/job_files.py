"""The files of one job beside the tables: its record, what it printed, the wish to cancel it."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from geneva.storage.files import JOBS_FOLDER, TableFiles
from geneva.storage.model import TableLocation

RECORD = "record.json"
ENDED = "ended.json"
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
    >>> files.read_record() is None, files.cancel_asked()
    (True, False)
    >>> files.write_record("{}")
    >>> files.write_lines(0, "seven")
    >>> files.ask_cancel()
    >>> files.read_record(), files.read_lines(), files.cancel_asked()
    ('{}', ['seven'], True)
    """

    def __init__(self, database: TableLocation, job_id: str) -> None:
        self._files = TableFiles(database)
        self._folder = folder_of(job_id)
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

    def ask_cancel(self) -> None:
        """Ask whoever runs the job to stop it."""
        self._files.write(f"{self._folder}/cancel", b"cancel\n", durable=False)

    def cancel_asked(self) -> bool:
        """Say whether somebody wants the job to stop."""
        return self._files.exists(f"{self._folder}/cancel")

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
