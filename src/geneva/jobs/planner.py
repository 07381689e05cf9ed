"""Decide what a backfill has to do. Pure: a snapshot in, a plan out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from geneva.jobs.spec import BackfillSpec
from geneva.jobs.tasks import ApplyTask, FragmentPlan
from geneva.jobs.wording import counted
from geneva.storage.model import FragmentState, Origin, Pending, RowRange, TableSnapshot

if TYPE_CHECKING:
    from geneva.jobs.estimate import Estimate
    from geneva.resources.admission import Admission
    from geneva.resources.footprint import Footprint


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a backfill will do.

    ``print(plan)`` shows it in words.

    Attributes
    ----------
    table_name, column_name : str
        What is computed.
    version : int
        Version of the table that is read.
    where : str or None
        The caller's filter.
    fragments : tuple of FragmentPlan
        What is to be done, in order of fragments.
    tasks : tuple of ApplyTask
        The same as units of work.
    skipped : dict of int to str
        Fragments in which nothing is done, with the reason.
    why : dict of str to int
        Rows to compute, by reason.
    total_fragments, total_rows : int
        Size of the table, deleted rows not counted.
    input_bytes : int
        Upper bound of the bytes to read.
    output_bytes : int
        Bytes to write, as far as the column's type tells: 0 where values vary in length.
    footprint : Footprint or None
        What the job asks for where it would run now.
    admission : Admission or None
        What becomes of that there.
    known_peak_bytes : int
        The most memory that an applier of this function took in earlier jobs; 0 if unknown.
    columns : tuple of str
        All columns that are filled: ``column_name``, and those that are computed together with it.
    free_disk_bytes : int or None
        Room on the disk that the table is on; None in an object store, or if unknown.
    estimate : Estimate or None
        How long it will take, from a sample of its rows, if that was asked for.
    changed : str
        What was different when the function took the place of an earlier one.
    """

    table_name: str
    column_name: str
    version: int
    where: str | None
    fragments: tuple[FragmentPlan, ...]
    tasks: tuple[ApplyTask, ...]
    skipped: dict[int, str]
    why: dict[str, int]
    total_fragments: int
    total_rows: int
    input_bytes: int
    output_bytes: int = 0
    job_type: str = "backfill"
    footprint: Footprint | None = None
    admission: Admission | None = None
    known_peak_bytes: int = 0
    free_disk_bytes: int | None = None
    estimate: Estimate | None = None
    changed: str = ""
    columns: tuple[str, ...] = ()

    @property
    def has_work(self) -> bool:
        """Whether anything is to be done."""
        return bool(self.fragments)

    @property
    def total_tasks(self) -> int:
        """Number of tasks."""
        return len(self.tasks)

    @property
    def total_rows_pending(self) -> int:
        """Rows to compute."""
        return sum(fragment.pending_rows for fragment in self.fragments)

    @property
    def skipped_fragments(self) -> int:
        """Fragments in which nothing is done."""
        return len(self.skipped)

    @property
    def skipped_rows(self) -> int:
        """Rows that are not computed now."""
        return self.total_rows - self.total_rows_pending

    @property
    def udf_mismatch(self) -> bool:
        """Whether rows are computed again because the function or its inputs changed."""
        return _WHY[Origin.STALE] in self.why

    def __str__(self) -> str:
        head = f"Backfill of {self.table_name}.{self.column_name} at version {self.version}"
        if self.where:
            head += f" where {self.where}"
        lines = [head]
        if len(self.columns) > 1:
            lines.append(f"  fills             {', '.join(self.columns)}")
        lines += [
            f"  rows to compute   {self.total_rows_pending:,} of {self.total_rows:,}",
            f"  fragments         {len(self.fragments):,} of {self.total_fragments:,}",
            f"  tasks             {self.total_tasks:,}",
        ]
        lines += [
            f"  because           {rows:,} rows {why}" for why, rows in self.why.items() if rows
        ]
        if self.changed and self.udf_mismatch:
            lines.append(f"  changed           {self.changed}")
        taken = sum(len(fragment.parts) for fragment in self.fragments)
        if taken:
            lines.append(f"  taken over        {counted(taken, 'part')} of an earlier job")
        reasons: dict[str, int] = {}
        for reason in self.skipped.values():
            reasons[reason] = reasons.get(reason, 0) + 1
        lines += [
            f"  skipped           {counted(n, 'fragment')}: {why}" for why, n in reasons.items()
        ]
        return "\n".join(lines + ([] if self.estimate is None else self.estimate.lines()))

    def _repr_html_(self) -> str:
        from geneva.jobs.shown.plan import plan_html

        return plan_html(self)


_WHY = {
    Origin.MISSING: "were never computed",
    Origin.PARTIAL: "were not computed in earlier calls",
    Origin.STALE: "were computed by another version of the function or from other inputs",
    Origin.FRESH: "are computed",
    Origin.FAILED: "failed in earlier calls",
}


def plan_backfill(spec: BackfillSpec, snapshot: TableSnapshot) -> Plan:
    """Plan what is missing or stale, and nothing else.

    Parameters
    ----------
    spec
        What was asked.
    snapshot
        What the table holds.
    """
    fragments: list[FragmentPlan] = []
    skipped: dict[int, str] = {}
    why: dict[str, int] = {}
    passed_over = 0
    for state in snapshot.fragments:
        reason = _nothing_to_do(state, spec)
        if reason is None and passed_over < spec.skip_frags:
            passed_over += 1
            reason = "passed over by skip_frags"
        if reason is None and spec.num_frags is not None and len(fragments) >= spec.num_frags:
            reason = "beyond num_frags"
        if reason is not None:
            skipped[state.fragment_id] = reason
            continue
        fragments.append(_fragment_plan(state, spec))
        for pending in reasons(state):
            why[pending.words] = why.get(pending.words, 0) + pending.rows
    return Plan(
        table_name=snapshot.location.name,
        column_name=spec.column,
        version=snapshot.version,
        where=spec.where,
        fragments=tuple(fragments),
        tasks=_tasks(fragments, spec.task_size),
        skipped=skipped,
        why=why,
        total_fragments=len(snapshot.fragments),
        total_rows=sum(state.live_rows for state in snapshot.fragments),
        input_bytes=sum(
            state.input_bytes * state.pending_rows // max(1, state.live_rows)
            for state in snapshot.fragments
            if state.fragment_id not in skipped
        ),
        changed=snapshot.column.changed,
        output_bytes=sum(fragment.pending_rows for fragment in fragments)
        * _fixed_bytes(snapshot.column.data_type),
        columns=tuple(snapshot.column.output_names),
    )


def _nothing_to_do(state: FragmentState, spec: BackfillSpec) -> str | None:
    """Say why a fragment needs nothing; None if it does.

    A fragment whose last rows lie in parts has no pending rows, but needs its file written.
    """
    if state.live_rows == 0:
        return "all rows are deleted"
    if state.pending_rows or (state.parts and spec.only is None):
        return None
    if spec.only is not None:
        return "no rows failed"
    if spec.where is None or (state.origin is Origin.FRESH and not state.redo):
        return "computed already"
    return "no rows match the filter" if state.redo else "no rows to compute match the filter"


def reasons(state: FragmentState) -> tuple[Pending, ...]:
    """Return the pending rows of a fragment by reason."""
    if state.redo:
        return (Pending(state.origin, "are computed again (force)", state.pending_rows),)
    return state.why or (Pending(state.origin, _WHY[state.origin], state.pending_rows),)


def _fragment_plan(state: FragmentState, spec: BackfillSpec) -> FragmentPlan:
    # Where every row is computed now, nothing of the old file is kept. It is not read then, and may
    # be damaged.
    afresh = state.pending_rows == state.live_rows and not state.parts
    everything = (spec.where is None and spec.only is None) or afresh
    partial = state.origin is Origin.PARTIAL and not state.redo
    held = state.origin is not Origin.MISSING
    keep_old = held and not afresh and (not everything or partial)
    return FragmentPlan(
        fragment_id=state.fragment_id,
        physical_rows=state.physical_rows,
        fingerprint=state.fingerprint,
        pending_rows=state.pending_rows,
        ranges=_remaining(state) if state.pending_rows else (),
        where=None if afresh else spec.where,
        exclude=None if afresh else state.done,
        kept=state.covered,
        keep_old=keep_old,
        complete=everything or state.origin is Origin.FRESH,
        parts=state.parts,
        failed=state.failed,
    )


def _remaining(state: FragmentState) -> tuple[RowRange, ...]:
    """Return the physical ranges that no dense part accounts for."""
    ranges = []
    position = 0
    for part in sorted((p for p in state.parts if p.dense), key=lambda p: p.rows.start):
        if part.rows.start > position:
            ranges.append(RowRange(position, part.rows.start))
        position = max(position, part.rows.stop)
    if position < state.physical_rows:
        ranges.append(RowRange(position, state.physical_rows))
    return tuple(ranges)


def _tasks(fragments: list[FragmentPlan], task_size: int | None) -> tuple[ApplyTask, ...]:
    ranges = [
        (fragment.fragment_id, piece)
        for fragment in fragments
        for whole in fragment.ranges
        for piece in _split(whole, task_size)
    ]
    return tuple(
        ApplyTask(task_id=task_id, fragment_id=fragment_id, rows=rows)
        for task_id, (fragment_id, rows) in enumerate(ranges)
    )


def _fixed_bytes(data_type: pa.DataType) -> int:
    """Return the size of one value of a type of fixed size, else 0."""
    if pa.types.is_struct(data_type):
        sizes = [_fixed_bytes(field.type) for field in data_type]
        return sum(sizes) if all(sizes) else 0
    if pa.types.is_fixed_size_list(data_type):
        return int(data_type.list_size) * _fixed_bytes(data_type.value_type)
    try:
        return int(data_type.bit_width) // 8
    except ValueError:
        return 0


def _split(rows: RowRange, size: int | None) -> list[RowRange]:
    if size is None:
        return [rows]
    starts = range(rows.start, rows.stop, size)
    return [RowRange(start, min(start + size, rows.stop)) for start in starts]
