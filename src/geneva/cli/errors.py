"""`geneva errors`: rows for which functions failed, and what went wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from geneva.cli.grid import aligned, one_line

_HEAD = ("row id", "column", "error", "attempts", "job", "inputs")


def as_text(rows: pa.Table, *, traceback: bool, limit: int) -> str:
    """Return failed rows as a table, the newest last, or each with its traceback."""
    if not rows.num_rows:
        return "No rows have failed."
    shown = rows.slice(0, limit).to_pylist()
    lines = list(_with_tracebacks(shown)) if traceback else [_aligned(shown)]
    if rows.num_rows > limit:
        lines.append(f"and {rows.num_rows - limit:,} more; --limit shows more of them")
    return "\n".join(lines)


def as_json(rows: pa.Table) -> str:
    """Return failed rows as a JSON array."""
    return json.dumps(rows.to_pylist(), indent=2, default=str)


def _with_tracebacks(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        yield f"row {row['row_id']} of {row['table_name']}.{row['column_name']}"
        yield f"  {row['error_type']}: {row['error_message']}"
        yield f"  inputs: {row['inputs']}"
        yield f"  job {row['job_id']}, {row['worker']}, {row['timestamp']:%Y-%m-%d %H:%M:%S} UTC"
        yield "".join(f"  | {line}\n" for line in row["error_trace"].splitlines())


def _aligned(rows: Iterable[dict[str, Any]]) -> str:
    cells = [
        (
            str(row["row_id"]),
            f"{row['table_name']}.{row['column_name']}",
            one_line(f"{row['error_type']}: {row['error_message']}"),
            str(row["attempt"]),
            row["job_id"][:8],
            one_line(row["inputs"]),
        )
        for row in rows
    ]
    return aligned([_HEAD, *cells])
