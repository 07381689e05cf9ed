"""Which columns a backfill of several computes, and what the caller should know of their inputs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from geneva.errors import NotComputedError
from geneva.jobs.dependencies import in_order, reached, reads_of
from geneva.jobs.spec import BackfillArguments
from geneva.jobs.wording import counted
from geneva.pipeline.backfill_job import BackfillJob, plan
from geneva.storage.dataset import Dataset
from geneva.storage.definitions import computed_column, computed_columns
from geneva.storage.model import ComputedColumn, TableLocation


def outdated_columns(
    dataset: Dataset, location: TableLocation, arguments: BackfillArguments
) -> tuple[ComputedColumn, ...]:
    """Return the computed columns that are not up to date, in the order to compute them.

    Those that are computed from them are among them: their inputs are about to change. If all are
    up to date, it is the first one.

    Raises
    ------
    NotComputedError
        The table has no computed columns.
    InvalidArgumentError
        One is computed from itself.
    """
    columns = in_order(_runnable(dataset))
    if not columns:
        raise NotComputedError(
            f"Table {location.name!r} has no computed columns that can be run. Attach a function: "
            "add_columns({'name': my_udf})."
        )
    pending = [column.name for column in columns if _rows(dataset, location, column, arguments)]
    wanted = reached(reads_of(columns), pending)
    return tuple(column for column in columns if column.name in wanted) or columns[:1]


def warn_of_stale_inputs(
    dataset: Dataset,
    location: TableLocation,
    columns: Sequence[ComputedColumn],
    arguments: BackfillArguments,
) -> None:
    """Warn of columns that are computed from others which are not up to date and not asked for."""
    if not any(set(_tops(column)) & set(computed_columns(dataset)) for column in columns):
        return
    names = {name for column in columns for name in column.output_names}
    rows_that_match = BackfillArguments(where=arguments.where)
    every = {name: one for one in _runnable(dataset, quiet=True) for name in one.output_names}
    for column in columns:
        others = [name for name in _upstream(column, every) if name not in names]
        rows = {name: _rows(dataset, location, every[name], rows_that_match) for name in others}
        stale = {name: number for name, number in rows.items() if number}
        if stale:
            found = ", ".join(f"{name!r} ({counted(n, 'row')})" for name, n in stale.items())
            warnings.warn(
                f"Column {column.name!r} of {location.name!r} is computed from columns in which "
                f"rows are missing or stale: {found}. backfill({[*stale, column.name]}) computes "
                "these first; backfill() brings every column up to date.",
                stacklevel=4,
            )


def _runnable(dataset: Dataset, *, quiet: bool = False) -> list[ComputedColumn]:
    found: dict[int, ComputedColumn] = {}
    for name in computed_columns(dataset):
        try:
            column = computed_column(dataset, name)
        except NotComputedError as error:
            if not quiet:
                warnings.warn(f"Left out: {error}", stacklevel=5)
            continue
        found.setdefault(column.field_id, column)
    return list(found.values())


def _rows(
    dataset: Dataset, location: TableLocation, column: ComputedColumn, arguments: BackfillArguments
) -> int:
    """Return how many rows of a column a backfill would compute, or at least that there are any."""
    _, planned = plan(BackfillJob("", location, column, arguments), dataset)
    return planned.total_rows_pending or len(planned.fragments)


def _upstream(column: ComputedColumn, every: dict[str, ComputedColumn]) -> list[str]:
    """Return what a column is computed from, and what that is computed from, farthest first."""
    found: list[str] = []
    left = _tops(column)
    known = {column.field_id}
    while left:
        name = left.pop(0)
        if name in every and every[name].field_id not in known:  # Of a group one is enough.
            known.add(every[name].field_id)
            found.append(name)
            left += _tops(every[name])
    return found[::-1]


def _tops(column: ComputedColumn) -> list[str]:
    return [read.split(".")[0] for read in column.input_columns]
