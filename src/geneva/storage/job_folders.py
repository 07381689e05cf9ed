"""All jobs that are recorded with a database."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from geneva.storage.files import JOBS_FOLDER, TableFiles
from geneva.storage.job_files import ENDED, RECORD
from geneva.storage.model import TableLocation

# What takes time is the way to the store.
_READERS = 32


class JobFolders:
    """Lists, reads and removes the folders of jobs.

    Parameters
    ----------
    database
        The database's folder or prefix.

    Examples
    --------
    >>> import tempfile
    >>> from geneva.storage.job_files import JobFiles
    >>> database = TableLocation(tempfile.mkdtemp())
    >>> JobFolders(database).names()
    []
    >>> JobFiles(database, "j1").write_record("{}")
    >>> dict(JobFolders(database).records())
    {'j1': '{}'}
    >>> JobFolders(database).ended()
    {'j1': ''}
    >>> JobFolders(database).remove("j1")
    >>> JobFolders(database).names()
    []
    """

    def __init__(self, database: TableLocation) -> None:
        self._files = TableFiles(database)
        self._local = Path(database.uri, JOBS_FOLDER) if database.is_local else None

    def names(self) -> list[str]:
        """Return the names of the folders, in no order."""
        if self._local is None:
            return list(self.ended())
        try:
            with os.scandir(self._local) as found:
                return [entry.name for entry in found if entry.is_dir()]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def ended(self) -> dict[str, str]:
        """Return all names, each with what stays the same as long as its ended job is the same.

        That is empty for a job that has not ended. On a store that a job ended is all that is told.
        """
        if self._local is None:
            paths = [PurePosixPath(path) for path in self._files.list(JOBS_FOLDER)]
            found = {path.parent.name: "" for path in paths if path.name == RECORD}
            return found | {path.parent.name: ENDED for path in paths if path.name == ENDED}
        return {name: self._ended_local(name) for name in self.names()}

    def read(self, names: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Yield names with the texts of their records; those that are gone are passed over."""
        if self._local is not None:
            texts: Iterator[str | None] = map(self._read_local, names)
            yield from ((name, text) for name, text in zip(names, texts, strict=True) if text)
            return
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(_READERS) as readers:
            texts = readers.map(self._read_stored, names)
            yield from ((name, text) for name, text in zip(names, texts, strict=True) if text)

    def records(self) -> Iterator[tuple[str, str]]:
        """Return the name of each folder with the text of its record."""
        return self.read(self.names())

    def remove(self, name: str) -> None:
        """Remove a folder."""
        if self._local is not None:
            shutil.rmtree(self._local / name, ignore_errors=True)
            return
        for path in self._files.list(f"{JOBS_FOLDER}/{name}"):
            self._files.delete(path)

    def _ended_local(self, name: str) -> str:
        try:
            return str(Path(f"{self._local}/{name}/{ENDED}").stat().st_mtime_ns)
        except OSError:
            return ""

    def _read_local(self, name: str) -> str | None:
        return self._read_first(name, lambda path: Path(f"{self._local}/{path}").read_text("utf-8"))

    def _read_stored(self, name: str) -> str | None:
        def read(path: str) -> str:
            return str(self._files.read(f"{JOBS_FOLDER}/{path}").to_pybytes(), "utf-8")

        return self._read_first(name, read)

    @staticmethod
    def _read_first(name: str, read: Callable[[str], str]) -> str | None:
        for file in (ENDED, RECORD):
            try:
                return read(f"{name}/{file}")
            except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError):
                continue
        return None  # Removed since.
