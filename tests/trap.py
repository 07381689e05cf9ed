"""A stored function that says when somebody unpickles it."""

from __future__ import annotations

import pickle
from pathlib import Path

import lance

from geneva.transformer.pickling import digest


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


def lay_trap(table, path: Path, *columns: str) -> None:
    """Let the definitions of columns name a pickle that writes a file."""
    payload = pickle.dumps(Trap(str(path)))
    name = f"_udfs/{digest(payload)}"
    Path(table.uri, name).write_bytes(payload)
    lance.dataset(table.uri).update_field_metadata(
        {column: {"virtual_column.udf": name} for column in columns}
    )
