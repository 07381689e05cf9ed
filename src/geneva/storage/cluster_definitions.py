"""Definitions of clusters: one small JSON file each, in the database's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from geneva.cluster.checks import check_name, is_name
from geneva.errors import InvalidArgumentError
from geneva.storage.files import CLUSTERS_FOLDER, TableFiles
from geneva.storage.model import TableLocation

_SUFFIX = ".json"


def store_cluster(database: TableLocation, name: str, definition: Mapping[str, Any]) -> None:
    """Store a definition under a name, replacing one of that name.

    Parameters
    ----------
    database
        The database's folder or prefix.
    name
        Name of the cluster.
    definition
        Values that JSON can hold.

    Raises
    ------
    InvalidArgumentError
        The name is not one that a cluster may have.

    Examples
    --------
    >>> import tempfile
    >>> database = TableLocation(tempfile.mkdtemp())
    >>> store_cluster(database, "prod", {"ray_address": "10.0.0.1:6379"})
    >>> load_cluster(database, "prod"), load_cluster(database, "test")
    ({'ray_address': '10.0.0.1:6379'}, None)
    """
    check_name(name)
    text = json.dumps(definition, indent=2, allow_nan=False)
    TableFiles(database).write(_path(name), text.encode())


def load_cluster(database: TableLocation, name: str) -> dict[str, Any] | None:
    """Return the definition of that name; None if there is none."""
    return _read(TableFiles(database), _path(name)) if is_name(name) else None


def cluster_names(database: TableLocation) -> list[str]:
    """Return the names under which definitions are stored, sorted; reads none of them."""
    paths = [PurePosixPath(path) for path in TableFiles(database).list(CLUSTERS_FOLDER)]
    return sorted(path.stem for path in paths if path.suffix == _SUFFIX)


def list_clusters(database: TableLocation) -> list[dict[str, Any]]:
    """Return all definitions, in the order of their names."""
    files = TableFiles(database)
    found = [_read(files, _path(name)) for name in cluster_names(database)]
    # One that somebody deleted since the names were listed is gone, which is no mistake.
    return [definition for definition in found if definition is not None]


def delete_cluster(database: TableLocation, name: str) -> None:
    """Delete the definition of that name; one that is not there is fine."""
    if is_name(name):
        TableFiles(database).delete(_path(name))


def _path(name: str) -> str:
    return f"{CLUSTERS_FOLDER}/{name}{_SUFFIX}"


def _read(files: TableFiles, path: str) -> dict[str, Any] | None:
    try:
        data = files.read(path)
    except FileNotFoundError:
        return None
    try:
        definition = json.loads(data.to_pybytes())
    except ValueError as error:
        raise _unreadable(path, str(error)) from None
    if not isinstance(definition, dict):
        raise _unreadable(path, f"it holds a {type(definition).__name__}")
    return definition


def _unreadable(path: str, found: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"{path} of the database is not the definition of a cluster, a JSON object: {found}. "
        "Define the cluster again, or delete it: delete_cluster()."
    )
