"""`geneva errors`: rows for which functions failed, and what went wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

_HEAD = ("row id", "column", "error", "attempts", "job", "inputs")
_MOST = 60


def as_text(rows: pa.Table, *, traceback: bool, limit: int) -> str:
    """Return failed rows as a table, the newest last, or each with its traceback."""
    if not rows.num_rows:
        return "No rows have failed."
    shown = rows.slice(0, limit).to_pylist()
    lines = list(_with_tracebacks(shown) if traceback else _aligned(shown))
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


def _aligned(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    cells = [
        (
            str(row["row_id"]),
            f"{row['table_name']}.{row['column_name']}",
            _short(f"{row['error_type']}: {row['error_message']}"),
            str(row["attempt"]),
            row["job_id"][:8],
            _short(row["inputs"]),
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(_HEAD, *cells, strict=True)]
    for line in (_HEAD, *cells):
        yield "  ".join(f"{cell:{w}}" for cell, w in zip(line, widths, strict=True)).rstrip()


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST else f"{line[: _MOST - 1]}…"
