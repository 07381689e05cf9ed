"""The columns of a table, and what a table holds of one, in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from geneva.html import Html
from geneva.jobs.column_status import ColumnStatus
from geneva.jobs.wording import counted
from geneva.markup import MOST_ROWS, badge, block, number, table

_TONES = {"fresh": "good", "failed": "bad", "stale": "care", "missing": "care"}
_COUNTS = ("rows", "fresh", "missing", "failed", "stale")


@dataclass(frozen=True, slots=True)
class ShownColumn:
    """A column of a table.

    Attributes
    ----------
    name, type : str
        The column and its Arrow type.
    function : str
        Function and version that compute it; empty for ordinary data.
    inputs : tuple of str
        What the function reads.
    status : ColumnStatus or None
        Its rows; None where that is not known, or was not looked at.
    """

    name: str
    type: str
    function: str = ""
    inputs: tuple[str, ...] = ()
    status: ColumnStatus | None = field(default=None, repr=False)


def table_html(
    name: str, version: int, rows: int, columns: Sequence[ShownColumn], note: str = ""
) -> str:
    """Return a table with its columns.

    Parameters
    ----------
    name, version, rows
        The table.
    columns
        Its columns.
    note
        What else there is to say.
    """
    cells = [_cells(one) for one in columns]
    head: tuple[str, ...] = ("column", "type", "computed by", "from", "state", *_COUNTS[1:])
    said = f"{counted(rows, 'row')}, {counted(len(columns), 'column')}, version {version}"
    if not any(one.function for one in columns):
        head, cells = head[:2], [row[:2] for row in cells]
    return block(name, said, table(head, cells, numbers=range(5, 9)), note)


def _cells(one: ShownColumn) -> tuple[object, ...]:
    status = one.status
    if status is None:
        return (one.name, one.type, one.function, ", ".join(one.inputs), "", "", "", "", "")
    counts = (number(getattr(status, name)) for name in _COUNTS[1:])
    return (one.name, one.type, one.function, ", ".join(one.inputs), state_badge(status), *counts)


def state_badge(status: ColumnStatus) -> Html:
    """Return the first that is true of some rows: failed, stale or missing; or else fresh."""
    states = ("failed", "stale", "missing")
    state = next((one for one in states if getattr(status, one)), "fresh")
    return badge(state, _TONES[state])


def status_html(status: ColumnStatus) -> str:
    """Return what a table holds of a column, fragments with work first."""
    ordered = sorted(status.fragments, key=lambda f: (f.fresh == f.rows, f.fragment_id))
    rows = [
        (
            number(one.fragment_id),
            *(number(getattr(one, name)) for name in _COUNTS),
            "; ".join(map(str, one.computed_by)),
            "; ".join(f"{rows:,} {words}" for words, rows in one.why.items()),
        )
        for one in ordered[: MOST_ROWS + 1]
    ]
    left = len(ordered) - len(rows)
    head = ("fragment", *_COUNTS, "computed by", "why not fresh")
    counts = ", ".join(f"{getattr(status, name):,} {name}" for name in _COUNTS)
    return block(
        f"{status.table_name}.{status.column_name}",
        Html(f"{state_badge(status)} {counts}, version {status.version}"),
        f"changed: {status.changed}" if status.changed and status.stale else "",
        table(head, rows, numbers=range(6)),
        f"and {left:,} more fragments" if left else "",
    )
