"""A table in a notebook: its columns, and their state as far as it is known soon."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from geneva.errors import GenevaError, NotComputedError
from geneva.jobs.column_status import ColumnStatus
from geneva.jobs.shown.column import ShownColumn, table_html
from geneva.markup import MOST_ROWS
from geneva.storage.dataset import Dataset
from geneva.storage.definitions import computed_column, computed_columns
from geneva.storage.model import ComputedColumn

# A cell shows a table whenever its name stands alone: nobody waits for it.
LONGEST_S = 1.5


def shown_table(
    name: str, dataset: Dataset, look: Callable[[str], ColumnStatus], longest_s: float = LONGEST_S
) -> str:
    """Return the HTML of a table. No function is unpickled or run for it.

    Parameters
    ----------
    name, dataset
        The table.
    look
        Says what it holds of a computed column.
    longest_s
        How long that may take for all of them; what is not known by then is left out.
    """
    computed = set(computed_columns(dataset))
    fields = list(dataset.schema)
    if len(fields) > MOST_ROWS:  # Not all are shown.
        fields.sort(key=lambda field: field.name not in computed)
    found = {field.name: _definition(dataset, field.name, computed) for field in fields[:MOST_ROWS]}
    status, late = _looked_at([one for one, column in found.items() if column], look, longest_s)
    columns = [
        ShownColumn(
            field.name,
            str(field.type),
            _function(found.get(field.name), known=field.name not in computed),
            () if (column := found.get(field.name)) is None else tuple(column.input_columns),
            status.get(field.name),
        )
        for field in fields
    ]
    note = f"The state of {late} takes long to find; column_status() says it." if late else ""
    return table_html(name, dataset.version, dataset.count_rows(), columns, note)


def _definition(dataset: Dataset, name: str, computed: set[str]) -> ComputedColumn | None:
    if name not in computed:
        return None
    try:
        return computed_column(dataset, name)
    except NotComputedError:  # Another program defined it.
        return None


def _function(column: ComputedColumn | None, *, known: bool) -> str:
    if column is None:
        return "" if known else "another program"
    return f"{column.udf_name} {column.udf_version[:8]}"


def _looked_at(
    names: list[str], look: Callable[[str], ColumnStatus], longest_s: float
) -> tuple[dict[str, ColumnStatus], str]:
    """Return what is known of columns after some seconds, and which are not looked at by then."""
    found: dict[str, ColumnStatus] = {}
    failed: set[str] = set()
    ends_s = time.monotonic() + longest_s

    def look_at_all() -> None:
        for name in names:
            if time.monotonic() > ends_s:
                return
            try:
                found[name] = look(name)
            except (GenevaError, OSError, RuntimeError, ValueError):
                failed.add(name)

    if names:
        looking = threading.Thread(target=look_at_all, name="geneva-shown", daemon=True)
        looking.start()
        looking.join(longest_s)
    known = dict(found)
    late = [name for name in names if name not in known]
    return known, ", ".join(map(repr, late[:5])) + (" and others" if len(late) > 5 else "")
