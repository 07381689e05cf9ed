"""A folder beside the tables for a try-out, of which nothing stays."""

from __future__ import annotations

import shutil
import uuid
from pathlib import Path

from geneva.storage.files import TableFiles
from geneva.storage.model import TableLocation

# Not the name of a table, and plain about who left it, should it ever be left.
_PREFIX = "_geneva-doctor-"


class Scratch:
    """A new folder in a database, named so that nobody takes it for theirs.

    Parameters
    ----------
    database
        Where the folder is to be; it need not exist.

    Examples
    --------
    >>> import tempfile
    >>> database = TableLocation(tempfile.mkdtemp() + "/db")
    >>> scratch = Scratch(database)
    >>> TableFiles(scratch.location).write("a/b", b"x")
    >>> scratch.remove()
    >>> Path(database.uri).exists()
    False
    """

    def __init__(self, database: TableLocation) -> None:
        uri = f"{database.uri.rstrip('/')}/{_PREFIX}{uuid.uuid4().hex[:12]}"
        self.location = TableLocation(uri, database.storage_options)
        self._made: list[Path] = []
        if self.location.is_local:
            parents = Path(uri).parents
            self._made = [parent for parent in parents if not parent.exists()]

    def remove(self) -> None:
        """Remove the folder with all that is in it, and the parents that were made for it."""
        if not self.location.is_local:
            files = TableFiles(self.location)
            for path in files.list(""):
                files.delete(path.removeprefix("/"))
            return
        folder = Path(self.location.uri)
        if folder.exists():
            shutil.rmtree(folder)
        for parent in self._made:
            # Somebody else may have begun to use it meanwhile.
            if parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()
