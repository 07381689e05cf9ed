"""Runs a real job of a few rows, where a backfill would run now."""

from __future__ import annotations

import time
from collections.abc import Sequence

from geneva.db import connect
from geneva.report import Check
from geneva.runners.select import chosen_runner
from geneva.storage.model import TableLocation
from geneva.transformer.decorator import udf

NAME = "tiny job"
FIX = "The message is what a backfill would raise: see the page on errors in the guide."
_ROWS = 20
_COLUMN = "doubled"


@udf
def doubled(id: int) -> int:  # noqa: A002 - the column's name
    """Return twice the value."""
    return 2 * id


def run_tiny_job(scratch: TableLocation, timeout_s: float) -> Sequence[Check]:
    """Make a table, compute a column, and compare its values.

    Parameters
    ----------
    scratch
        A folder of its own; whoever made it removes it.
    timeout_s
        Seconds after which the job is stopped.
    """
    began_s = time.monotonic()
    where = {"ray": "the Ray cluster", "process": "worker processes of this machine"}
    kind = chosen_runner(None)
    with connect(scratch.uri, storage_options=dict(scratch.storage_options)) as db:
        table = db.create_table("tiny", [{"id": number} for number in range(_ROWS)])
        table.add_columns({_COLUMN: doubled})
        table.backfill(_COLUMN, concurrency=1, timeout=timeout_s, progress=False)
        found = table.to_arrow()
    values, wanted = found[_COLUMN].to_pylist(), [2 * i for i in found["id"].to_pylist()]
    if values != wanted:
        return [Check(NAME, "failed", f"computed {values}; expected {wanted}", FIX)]
    took_s = time.monotonic() - began_s
    return [Check(NAME, "ok", f"{_ROWS} rows computed by {where[kind]}, {took_s:.1f} s")]
