"""Notes of functions that a job used in place of the column's own.

What such a job left can only be recognized by who knows its function, and a table's schema does not
name it::

    _geneva/overrides/<field id>/<digest>.json
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

from geneva.storage.files import OVERRIDES_FOLDER, TableFiles
from geneva.storage.model import ComputedColumn


@dataclass(frozen=True, slots=True)
class Override:
    """A function that was used for a column.

    Attributes
    ----------
    path : str
        The note, relative to the table.
    field_id : int
        The column's field.
    udf_name, udf_version, payload : str
        The function, and where it is stored.
    input_columns : tuple of str
        What it reads.
    """

    path: str
    field_id: int
    udf_name: str
    udf_version: str
    payload: str
    input_columns: tuple[str, ...]

    def of(self, column: ComputedColumn) -> ComputedColumn:
        """Return the column as the job saw it."""
        return replace(
            column,
            udf_name=self.udf_name,
            udf_version=self.udf_version,
            payload=self.payload,
            input_columns=self.input_columns,
            repointed=True,
        )


def note_override(files: TableFiles, column: ComputedColumn) -> None:
    """Note which function a job uses."""
    text = json.dumps(
        {
            "udf_name": column.udf_name,
            "udf_version": column.udf_version,
            "payload": column.payload,
            "input_columns": column.input_columns,
        }
    )
    digest = hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
    path = f"{OVERRIDES_FOLDER}/{column.field_id}/{digest}.json"
    files.write(path, text.encode(), durable=False)


def list_overrides(files: TableFiles) -> list[Override]:
    """Return all notes."""
    found = []
    for path in files.list(OVERRIDES_FOLDER):
        try:
            given = json.loads(files.read(path).to_pybytes())
        except (FileNotFoundError, ValueError):
            continue  # Removed since, or cut off when the machine went down.
        field_id = int(path.removeprefix(f"{OVERRIDES_FOLDER}/").partition("/")[0])
        given["input_columns"] = tuple(given["input_columns"])
        found.append(Override(path, field_id, **given))
    return found
