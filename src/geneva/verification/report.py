"""What verifying a table found, as plain data and as a table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from geneva.html import Html
from geneva.jobs.wording import counted
from geneva.markup import block
from geneva.report import Check, Report


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with a computed column.

    Attributes
    ----------
    column : str
        The column.
    what : str
        ``"definition"``, ``"function"``, ``"missing"``, ``"size"``, ``"format"``, ``"rows"``,
        ``"type"``, ``"metadata"``, ``"coverage"`` or ``"values"``.
    expected, found : str
        What should be there, and what is.
    repair : str
        What repairs it.
    fragment_id : int or None
        The fragment; None where it is the column's definition or function.
    file : str or None
        The file, relative to the table.
    """

    column: str
    what: str
    expected: str
    found: str
    repair: str
    fragment_id: int | None = None
    file: str | None = None

    def as_check(self) -> Check:
        """Return the finding as a line of a report."""
        where = "" if self.fragment_id is None else f", fragment {self.fragment_id}"
        of = f" of {self.file}" if self.file else ""
        text = f"{self.what}{of}: expected {self.expected}; found {self.found}"
        return Check(f"{self.column}{where}", "failed", text, self.repair)


@dataclass(frozen=True, slots=True)
class VerifiedColumn:
    """What was looked at in a column.

    Attributes
    ----------
    column : str
        The column.
    fragments, rows, files : int
        Fragments of the table, their rows including deleted ones, and files that hold values.
    parts : int
        Parts of an unfinished job, from which the next backfill goes on.
    spare_parts : int
        Parts of earlier jobs that are of no use any more. They do no harm.
    """

    column: str
    fragments: int
    rows: int
    files: int
    parts: int = 0
    spare_parts: int = 0

    def as_check(self) -> Check:
        """Return what was looked at as a line of a report in which nothing is wrong."""
        looked_at = (counted(self.fragments, "fragment"), counted(self.rows, "row"))
        text = ", ".join((*looked_at, counted(self.files, "file")))
        if self.parts:
            text += f"; {counted(self.parts, 'part')} of an unfinished job"
        if self.spare_parts:
            text += f"; {counted(self.spare_parts, 'part')} of no use any more"
        return Check(self.column, "ok", text)


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """What verifying the computed columns of a table found; prints as a table.

    Attributes
    ----------
    table : str
        Name of the table.
    version : int
        Version of it that was looked at.
    deep : bool
        Whether all values were read.
    columns : tuple of VerifiedColumn
        What was looked at.
    findings : tuple of Finding
        What is wrong.

    Examples
    --------
    >>> report = VerificationReport("docs", 7, False, (VerifiedColumn("words", 2, 80, 2),), ())
    >>> report.ok
    True
    >>> print(report)
    Verification of docs at version 7
    check  status  found
    words  ok      2 fragments, 80 rows, 2 files
    1 check: all ok.
    """

    table: str
    version: int
    deep: bool
    columns: tuple[VerifiedColumn, ...]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def to_json(self) -> str:
        """Return the report as a JSON object with ``ok``, ``columns``, ``findings`` and more."""
        return json.dumps({"ok": self.ok, **asdict(self)}, indent=2)

    def __str__(self) -> str:
        depth = ", all values read" if self.deep else ""
        head = f"Verification of {self.table} at version {self.version}{depth}"
        if not self.columns:
            return f"{head}\nNo function computes a column of it."
        return f"{head}\n{Report(tuple(self._checks()))}"

    def _repr_html_(self) -> str:
        said = str(self).splitlines()
        checks = Report(tuple(self._checks()))._repr_html_() if self.columns else ""
        return block(said[0], Html(checks) or said[1])

    def _checks(self) -> Iterator[Check]:
        for looked_at in self.columns:
            wrong = [f.as_check() for f in self.findings if f.column == looked_at.column]
            yield from wrong or [looked_at.as_check()]
