"""What a table holds of a computed column: how many rows are fresh, and why others are not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from geneva.jobs.planner import reasons
from geneva.jobs.wording import counted
from geneva.storage.model import FragmentState, Origin, TableSnapshot

_MOST_LINES = 40
_HEAD = (
    "fragment",
    "rows",
    "fresh",
    "missing",
    "failed",
    "stale",
    "computed by",
    "why not fresh",
)


@dataclass(frozen=True, slots=True)
class ComputedBy:
    """Who computed values of a column.

    Attributes
    ----------
    udf_name, udf_version : str
        Name and version of the function.
    job_id : str
        Id of the job.
    """

    udf_name: str
    udf_version: str
    job_id: str

    def __str__(self) -> str:
        return f"{self.udf_name} {self.udf_version[:8]}, job {self.job_id[:8]}"


@dataclass(frozen=True, slots=True)
class FragmentStatus:
    """What one fragment holds of a computed column.

    Attributes
    ----------
    fragment_id : int
        Id of the fragment.
    rows : int
        Its rows, deleted ones not counted.
    fresh : int
        Rows that this version of the function computed from their current inputs, and rows that
        were appended with a value of their own.
    missing : int
        Rows that it never computed.
    failed : int
        Rows for which it failed; ``Table.errors()`` says why.
    stale : int
        Rows that are computed, but by another version or from other inputs, or so that nothing
        tells.
    why : dict of str to int
        Rows that are not fresh by reason.
    computed_by : tuple of ComputedBy
        Functions and jobs that the values come from, as far as their files are still there.
    """

    fragment_id: int
    rows: int
    fresh: int
    missing: int
    failed: int
    stale: int
    why: dict[str, int]
    computed_by: tuple[ComputedBy, ...] = ()


@dataclass(frozen=True, slots=True)
class ColumnStatus:
    """What a table holds of a computed column. ``print(status)`` shows it as a table.

    Attributes
    ----------
    table_name, column_name : str
        The column.
    version : int
        Version of the table that was looked at.
    udf_name, udf_version : str
        Name and version of the function that fresh rows are computed by.
    fragments : tuple of FragmentStatus
        All fragments, in order.
    changed : str
        What was different when the function took the place of an earlier one.
    """

    table_name: str
    column_name: str
    version: int
    udf_name: str
    udf_version: str
    fragments: tuple[FragmentStatus, ...]
    changed: str = ""

    @property
    def rows(self) -> int:
        """Rows of the table, deleted ones not counted."""
        return sum(fragment.rows for fragment in self.fragments)

    @property
    def fresh(self) -> int:
        """Rows that need not be computed."""
        return sum(fragment.fresh for fragment in self.fragments)

    @property
    def missing(self) -> int:
        """Rows that were never computed."""
        return sum(fragment.missing for fragment in self.fragments)

    @property
    def failed(self) -> int:
        """Rows for which the function failed."""
        return sum(fragment.failed for fragment in self.fragments)

    @property
    def stale(self) -> int:
        """Rows that must be computed again."""
        return sum(fragment.stale for fragment in self.fragments)

    @property
    def why(self) -> dict[str, int]:
        """Rows that are not fresh by reason."""
        found: dict[str, int] = {}
        for fragment in self.fragments:
            for words, rows in fragment.why.items():
                found[words] = found.get(words, 0) + rows
        return found

    def to_json(self) -> str:
        """Return all of it as JSON."""
        names = ("rows", "fresh", "missing", "failed", "stale")
        totals = {name: getattr(self, name) for name in names}
        return json.dumps({**asdict(self), **totals, "why": self.why})

    def __str__(self) -> str:
        head = (
            f"{self.table_name}.{self.column_name} at version {self.version}: "
            f"{counted(self.rows, 'row')}, {self.fresh:,} fresh, {self.missing:,} missing, "
            f"{self.failed:,} failed, {self.stale:,} stale"
        )
        # What is to be done comes first; a table of thousands of fragments is mostly fresh.
        ordered = sorted(self.fragments, key=lambda f: (f.fresh == f.rows, f.fragment_id))
        shown = sorted(ordered[:_MOST_LINES], key=lambda f: f.fragment_id)
        lines = [head]
        if self.changed and self.stale:
            lines.append(f"  changed  {self.changed}")
        lines += ["  " + line for line in _aligned([_HEAD, *map(_cells, shown)])]
        if len(ordered) > len(shown):
            left = ordered[len(shown) :]
            fresh = sum(fragment.fresh == fragment.rows for fragment in left)
            lines.append(f"  and {counted(len(left), 'more fragment')}, {fresh:,} of them fresh")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from geneva.jobs.shown.column import status_html

        return status_html(self)


def column_status(
    snapshot: TableSnapshot, computed_by: Mapping[str, ComputedBy | None]
) -> ColumnStatus:
    """Say what a table holds of a column.

    Parameters
    ----------
    snapshot
        The table, without a filter and without parts of unfinished jobs.
    computed_by
        Who wrote a column file, by its path; None where that is not known any more.
    """
    return ColumnStatus(
        table_name=snapshot.location.name,
        column_name=snapshot.column.name,
        version=snapshot.version,
        udf_name=snapshot.column.udf_name,
        udf_version=snapshot.column.udf_version,
        changed=snapshot.column.changed,
        fragments=tuple(_fragment_status(state, computed_by) for state in snapshot.fragments),
    )


def _fragment_status(
    state: FragmentState, computed_by: Mapping[str, ComputedBy | None]
) -> FragmentStatus:
    pending = [reason for reason in reasons(state) if reason.rows]
    failed = sum(reason.rows for reason in pending if reason.kind is Origin.FAILED)
    stale = sum(reason.rows for reason in pending if reason.kind is Origin.STALE)
    authors = {computed_by.get(path) for path in state.files} - {None}
    return FragmentStatus(
        fragment_id=state.fragment_id,
        rows=state.live_rows,
        fresh=state.live_rows - state.pending_rows,
        missing=state.pending_rows - failed - stale,
        failed=failed,
        stale=stale,
        why={reason.words: reason.rows for reason in pending},
        computed_by=tuple(sorted((a for a in authors if a is not None), key=str)),
    )


def _cells(fragment: FragmentStatus) -> tuple[str, ...]:
    names = ("rows", "fresh", "missing", "failed", "stale")
    numbers = [getattr(fragment, name) for name in names]
    why = "; ".join(f"{rows:,} {words}" for words, rows in fragment.why.items())
    authors = "; ".join(map(str, fragment.computed_by))
    return (str(fragment.fragment_id), *(f"{number:,}" for number in numbers), authors, why)


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    last_number = _HEAD.index("stale")
    return [
        "  ".join(
            cell.rjust(width) if i <= last_number else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
