"""Columns of one call that read the same rows: which share a pass, and what that pass does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from geneva.jobs.dependencies import levels, reads_of
from geneva.jobs.planner import Plan
from geneva.jobs.spec import BackfillArguments
from geneva.jobs.tasks import FragmentPlan
from geneva.storage.model import ComputedColumn
from geneva.storage.shared import joined, shared_column

# What one of the functions needs, or says of rows that fail, is not for the others.
_NEEDS = (
    "num_gpus",
    "memory",
    "resources",
    "label_selector",
    "accelerator_type",
    "max_errors",
    "row_timeout",
)
_OF_ITS_OWN = "failure_rules"


def shared_passes(
    columns: Sequence[ComputedColumn], arguments: BackfillArguments
) -> list[tuple[ComputedColumn, ...]]:
    """Return columns in the order of their passes; those that can share one stand together.

    Columns share a pass if none is computed from another one, if they have a column to read in
    common, and if their functions ask for the same and for nothing that there is little of: then
    one applier has room for all of them.
    """
    given = (arguments.on_error, arguments.max_errors, arguments.row_timeout, arguments.only)
    window = arguments.num_frags is not None or arguments.skip_frags
    if window or any(one is not None for one in given):
        # A window of fragments, and rows that fail, are counted for each column.
        return [(column,) for column in columns]
    named = {column.name: column for column in columns}
    passes: list[list[ComputedColumn]] = []
    for level in levels(reads_of(columns)):
        open_passes: list[list[ComputedColumn]] = []
        for column in (named[name] for name in level):
            found = next((p for p in open_passes if all(_together(o, column) for o in p)), None)
            if found is None:
                open_passes.append([column])
            else:
                found.append(column)
        passes += open_passes
    return [tuple(one) for one in passes]


def passes_together(
    columns: Sequence[ComputedColumn], arguments: BackfillArguments
) -> dict[str, tuple[str, ...]]:
    """Return for each column that shares a pass the others of it, by name."""
    return {
        column.name: tuple(other.name for other in one if other is not column)
        for one in shared_passes(columns, arguments)
        for column in one
        if len(one) > 1
    }


def _together(one: ComputedColumn, other: ComputedColumn) -> bool:
    return (
        _needs_of(one) == _needs_of(other)
        and not (_has_policy(one) or _has_policy(other))
        and not any(one.options.get(need) for need in _NEEDS)
        and bool(one.options.get("shares_pass"))
        and not (one.is_blob or other.is_blob)
        and bool(set(one.input_columns) & set(other.input_columns))
    )


def _needs_of(column: ComputedColumn) -> dict[str, object]:
    return {name: value for name, value in column.options.items() if name != _OF_ITS_OWN}


def _has_policy(column: ComputedColumn) -> bool:
    rules = column.options.get(_OF_ITS_OWN)
    return isinstance(rules, dict) and bool(rules.get("limits"))


def shared_plan(columns: Sequence[ComputedColumn], plans: Sequence[Plan]) -> Plan:
    """Return what one pass can do for several columns: fragments that all need in the same way.

    The rest is left for a pass of each column.
    """
    by_fragment = [{f.fragment_id: f for f in plan.fragments} for plan in plans]
    fragments = []
    for first in plans[0].fragments:
        others = [found.get(first.fragment_id) for found in by_fragment]
        same = [f for f in others if f is not None and _needs(f) == _needs(first) and f.whole]
        if len(same) == len(plans):
            fingerprint = joined([f.fingerprint for f in same])
            fragments.append(replace(first, fingerprint=fingerprint))
    ids = {fragment.fragment_id for fragment in fragments}
    tasks = [task for task in plans[0].tasks if task.fragment_id in ids]
    every = {i for plan in plans for i in (*plan.skipped, *(f.fragment_id for f in plan.fragments))}
    column = shared_column(columns)
    return replace(
        plans[0],
        column_name=column.name,
        fragments=tuple(fragments),
        tasks=tuple(replace(task, task_id=i) for i, task in enumerate(tasks)),
        skipped=dict.fromkeys(sorted(every - ids), "computed for each column by itself"),
        output_bytes=sum(plan.output_bytes for plan in plans),
        columns=tuple(column.output_names),
    )


def _needs(fragment: FragmentPlan) -> tuple[object, ...]:
    return (
        fragment.pending_rows,
        fragment.ranges,
        fragment.where,
        fragment.exclude,
        fragment.complete,
    )
