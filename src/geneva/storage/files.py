"""Small files of Geneva's own in a table's or database's folder, local or in an object store.

Every write is atomic: a file is there whole or not at all. Local files are also forced to the
disk, unless nobody needs them after a crash of the machine: they are what a job restarts from.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa

from geneva.storage.model import TableLocation

if TYPE_CHECKING:
    from lance.file import LanceFileSession

T = TypeVar("T")

FUNCTIONS_FOLDER = "_udfs"
PARTS_FOLDER = "_geneva/parts"
PROOFS_FOLDER = "_geneva/proofs"
PEAKS_FOLDER = "_geneva/peaks"
ERRORS_FOLDER = "_geneva/errors"
CLUSTERS_FOLDER = "_geneva/clusters"
_ATTEMPTS = 3
# Lance itself may have tried for longer than that; then it is no use.
_RETRY_S = 20.0

JOBS_FOLDER = "_geneva/jobs"
LEASES_FOLDER = "_geneva/leases"
OVERRIDES_FOLDER = "_geneva/overrides"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as a listing shows it.

    Attributes
    ----------
    path : str
        File, relative to the root.
    size_bytes, age_s : int or None, float or None
        Its size and the seconds since it was written, where the store says so.
    """

    path: str
    size_bytes: int | None = None
    age_s: float | None = None


class TableFiles:
    """Files under a root, a table's or a database's, named by their path relative to it."""

    def __init__(self, location: TableLocation) -> None:
        self._location = location
        self._root = Path(location.uri)
        self._parts: TableFiles | None = None
        if location.parts_uri is not None:
            self._parts = TableFiles(TableLocation(location.parts_uri, location.storage_options))

    def _elsewhere(self, path: str) -> TableFiles | None:
        """Return where a file is if it is not under the root."""
        return self._parts if path.startswith(PARTS_FOLDER) else None

    def _ask(self, request: Callable[[LanceFileSession], T]) -> T:
        """Ask the object store, again if it fails.

        Lance repeats by itself most of what fails, but not what may have been done nevertheless,
        such as a deletion that was not answered. All that is asked here may be done twice.
        """
        # Loaded when it is used: local files need neither.
        import tenacity
        from lance.file import LanceFileSession

        store = LanceFileSession(self._location.uri, storage_options=self._location.options)
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(may_heal),
            stop=tenacity.stop_after_attempt(_ATTEMPTS) | tenacity.stop_after_delay(_RETRY_S),
            wait=tenacity.wait_random_exponential(multiplier=0.2, max=2),
            reraise=True,
        )
        answer: T = retrying(_asked, request, store)
        return answer

    def write(self, path: str, data: bytes | pa.Buffer, *, durable: bool = True) -> None:
        """Write a whole file, replacing one of the same name."""
        if (elsewhere := self._elsewhere(path)) is not None:
            elsewhere.write(path, data, durable=durable)
            return
        if not self._location.is_local:
            with tempfile.NamedTemporaryFile(prefix="geneva-") as local:
                local.write(data)
                local.flush()
                self._ask(lambda store: store.upload_file(local.name, path))
            return
        target = self._root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        temporary.replace(target)

    def read(self, path: str) -> pa.Buffer:
        """Read a whole file; a local one is mapped into memory.

        Raises
        ------
        FileNotFoundError
            There is no such file.
        """
        if (elsewhere := self._elsewhere(path)) is not None:
            return elsewhere.read(path)
        if self._location.is_local:
            with pa.memory_map(str(self._root / path)) as file:
                return file.read_buffer()
        with tempfile.TemporaryDirectory(prefix="geneva-") as folder:
            local = Path(folder) / "file"
            try:
                self._ask(lambda store: store.download_file(path, local))
            except OSError as error:
                # A store that cannot be reached does not say that the file is missing.
                if may_heal(error):
                    raise
                raise FileNotFoundError(f"{self._location.uri}/{path}: {error}") from None
            return pa.py_buffer(local.read_bytes())

    def exists(self, path: str) -> bool:
        """Say whether a file is there."""
        if (elsewhere := self._elsewhere(path)) is not None:
            return elsewhere.exists(path)
        if self._location.is_local:
            return (self._root / path).is_file()
        return self._ask(lambda store: bool(store.contains(path)))

    def list(self, folder: str) -> list[str]:
        """Return the paths of all files below a folder, sorted; none if there is no such folder."""
        if (elsewhere := self._elsewhere(folder)) is not None:
            return elsewhere.list(folder)
        if self._location.is_local:
            files = (self._root / folder).rglob("*")
            paths = [str(f.relative_to(self._root)) for f in files if not f.name.startswith(".")]
            return sorted(p for p in paths if not p.endswith(folder) and (self._root / p).is_file())
        try:
            found = self._ask(lambda store: list(store.list(folder)))
        except OSError as error:
            if may_heal(error):
                raise
            return []
        return sorted(p if p.startswith(folder) else f"{folder}/{p}" for p in found)

    def survey(self, folder: str) -> tuple[StoredFile, ...]:
        """Return all files below a folder, with those that are being written."""
        if (elsewhere := self._elsewhere(folder)) is not None:
            return elsewhere.survey(folder)
        if not self._location.is_local:
            return tuple(StoredFile(path) for path in self.list(folder))
        found, now_s = [], time.time()
        for file in sorted((self._root / folder).rglob("*")):
            # One that is gone by now is none.
            with contextlib.suppress(FileNotFoundError):
                status = file.stat()
                if stat.S_ISREG(status.st_mode):
                    path = str(file.relative_to(self._root))
                    found.append(StoredFile(path, status.st_size, now_s - status.st_mtime))
        return tuple(found)

    def touch(self, path: str) -> None:
        """Make a file young again, where files have ages."""
        if self._location.is_local:
            os.utime(self._root / path)

    def delete(self, path: str) -> None:
        """Delete a file; one that is gone already is fine."""
        if (elsewhere := self._elsewhere(path)) is not None:
            elsewhere.delete(path)
            return
        if self._location.is_local:
            (self._root / path).unlink(missing_ok=True)
            return
        self._ask(partial(_delete, path))


def _asked(request: Callable[[LanceFileSession], T], store: LanceFileSession) -> T:
    try:
        return request(store)
    except RuntimeError as error:
        # What Lance raises when a listing fails.
        if "LanceError(IO)" not in str(error):
            raise
        raise OSError(str(error)) from None


def _delete(path: str, store: LanceFileSession) -> None:
    if store.contains(path):
        store.delete_file(path)


def may_heal(error: BaseException) -> bool:
    """Say whether a request that failed may succeed when it is made again."""
    return isinstance(error, OSError) and "not found" not in str(error).lower()
