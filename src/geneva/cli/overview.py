"""`geneva tables` and `geneva columns` as text and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from geneva.cli.grid import aligned
from geneva.overview import ColumnLine, TableLine


def tables_as_text(tables: Sequence[TableLine]) -> str:
    """Return tables as text."""
    if not tables:
        return "There are no tables."
    head = ("table", "rows", "version", "fragments", "columns", "computed columns")
    rows = [
        (
            one.table,
            f"{one.rows:,}",
            f"{one.version:,}",
            f"{one.fragments:,}",
            f"{one.columns:,}",
            ", ".join(one.computed_columns),
        )
        for one in tables
    ]
    unreadable = [f"{one.table} cannot be read: {one.error}" for one in tables if one.error]
    return "\n".join(
        [aligned([head, *rows], numbers=range(1, 5)), *([""] if unreadable else []), *unreadable]
    )


def columns_as_text(columns: Sequence[ColumnLine]) -> str:
    """Return columns as text, and why rows are not fresh."""
    if not columns:
        return "There are no tables."
    head = ("column", "type", "state", "fresh", "missing", "failed", "stale", "function")
    rows = [
        (
            f"{one.table}.{one.column}",
            one.type if len(one.type) <= _LONGEST_TYPE else f"{one.type[: _LONGEST_TYPE - 1]}…",
            one.state,
            *("" if n is None else f"{n:,}" for n in (one.fresh, one.missing)),
            *("" if n is None else f"{n:,}" for n in (one.failed, one.stale)),
            one.udf_name and f"{one.udf_name}({', '.join(one.input_columns)})",
        )
        for one in columns
    ]
    why = [
        f"{one.table}.{one.column}: {rows:,} rows {words}"
        for one in columns
        for words, rows in one.why.items()
    ]
    why += [
        f"{one.table}{one.column and '.'}{one.column} cannot be read: {one.error}"
        for one in columns
        if one.error
    ]
    return "\n".join([aligned([head, *rows], numbers=range(3, 7)), *([""] if why else []), *why])


_LONGEST_TYPE = 40


def as_json(lines: Sequence[TableLine] | Sequence[ColumnLine]) -> str:
    """Return tables or columns as a JSON array."""
    return json.dumps([asdict(line) for line in lines], indent=2)
