"""What the checks found, as plain data and as a table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from html import escape
from typing import Literal

Status = Literal["ok", "warning", "failed", "skipped"]

_COLUMNS = ("check", "status", "found")
_FIX = "fix: "


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found.

    Attributes
    ----------
    name : str
        What was looked at.
    status : str
        ``"ok"``, ``"warning"`` (it works, and may not for long), ``"failed"`` or ``"skipped"``.
    found : str
        What is there, or why it was not looked at.
    fix : str
        What to do about it; empty where there is nothing to do.
    """

    name: str
    status: Status
    found: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What all checks found; prints as a table.

    Attributes
    ----------
    checks : tuple of Check
        The checks, in the order in which they were made.

    Examples
    --------
    >>> report = Report(
    ...     (
    ...         Check("python", "ok", "3.12.1"),
    ...         Check("disk", "failed", "12 MiB free", "Free some space."),
    ...     )
    ... )
    >>> report.ok
    False
    >>> print(report)
    check   status  found
    python  ok      3.12.1
    disk    failed  12 MiB free
                    fix: Free some space.
    2 checks: 1 failed.
    """

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether no check failed; warnings are allowed."""
        return all(check.status != "failed" for check in self.checks)

    def to_json(self) -> str:
        """Return the report as a JSON object with ``ok`` and ``checks``."""
        return json.dumps({"ok": self.ok, "checks": [asdict(c) for c in self.checks]}, indent=2)

    def __str__(self) -> str:
        return "\n".join([*self._lines(), self._sum()])

    def _lines(self) -> Iterator[str]:
        rows = [_COLUMNS, *((c.name, c.status, c.found) for c in self.checks)]
        name, status = (max(len(row[i]) for row in rows) for i in (0, 1))
        margin = " " * (name + status + 4)
        fixes = ["", *(check.fix for check in self.checks)]
        for row, fix in zip(rows, fixes, strict=True):
            # What others said may have several lines.
            found = row[2].replace("\n", f"\n{margin}")
            yield f"{row[0]:{name}}  {row[1]:{status}}  {found}".rstrip()
            if fix:
                yield f"{margin}{_FIX}{fix}"

    def _sum(self) -> str:
        counts = {
            status: sum(check.status == status for check in self.checks)
            for status in ("failed", "warning", "skipped")
        }
        words = {"failed": "failed", "warning": "with a warning", "skipped": "skipped"}
        said = [f"{count} {words[status]}" for status, count in counts.items() if count]
        made = f"{len(self.checks)} check{'' if len(self.checks) == 1 else 's'}"
        return f"{made}: {', '.join(said) or 'all ok'}."

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{column}</th>" for column in (*_COLUMNS, "fix"))
        cells = [[escape(cell) for cell in asdict(check).values()] for check in self.checks]
        rows = "".join(f"<tr><td>{'</td><td>'.join(row)}</td></tr>" for row in cells)
        return f"<table><tr>{head}</tr>{rows}</table><p>{self._sum()}</p>"
