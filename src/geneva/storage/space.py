"""How much room there is for what a job writes."""

from __future__ import annotations

import shutil

from geneva.storage.model import TableLocation


def free_bytes(location: TableLocation) -> int | None:
    """Return the free bytes of the disk that a table is on; None in an object store.

    Examples
    --------
    >>> free_bytes(TableLocation("/")) > 0, free_bytes(TableLocation("s3://bucket/db/docs.lance"))
    (True, None)
    """
    return shutil.disk_usage(location.uri).free if location.is_local else None
