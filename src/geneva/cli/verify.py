"""`geneva verify`: whether what tables say of their computed columns is there."""

from __future__ import annotations

import json
from collections.abc import Sequence

from geneva.db import connect
from geneva.verification.report import VerificationReport


def verify_tables(
    uri: str, table: str | None, column: str | None, *, deep: bool
) -> list[VerificationReport]:
    """Verify a column, the columns of a table, or those of all tables of a database."""
    with connect(uri) as db:
        names = sorted(db.table_names()) if table is None else [table]
        return [db.open_table(name).verify(column, deep=deep) for name in names]


def as_text(reports: Sequence[VerificationReport]) -> str:
    """Return the reports as text."""
    return "\n\n".join(map(str, reports)) or "There are no tables."


def as_json(reports: Sequence[VerificationReport]) -> str:
    """Return the reports as one JSON object, with ``ok`` and ``tables``."""
    tables = [json.loads(report.to_json()) for report in reports]
    return json.dumps({"ok": all(report.ok for report in reports), "tables": tables}, indent=2)
