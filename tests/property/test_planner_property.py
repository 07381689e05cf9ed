"""Whatever a table holds, a plan computes each row that is missing once, and no other."""

from __future__ import annotations

from itertools import groupby

import numpy as np
from hypothesis import event, given

from geneva.jobs.planner import plan_backfill
from geneva.jobs.tasks import FragmentPlan
from geneva.storage.model import Origin, RowRange, unpack_rows
from tests.property.tables import Case, Truth, cases


def needs_work(truth: Truth) -> bool:
    return bool(truth.state.live_rows and (truth.state.pending_rows or truth.state.parts))


@given(cases())
def test_each_missing_row_is_in_one_task(case: Case):
    plan = plan_backfill(case.spec, case.snapshot)
    truths = {truth.state.fragment_id: truth for truth in case.truths}
    for fragment in plan.fragments:
        truth = truths[fragment.fragment_id]
        times = np.zeros(fragment.physical_rows, int)
        for task in plan.tasks:
            if task.fragment_id == fragment.fragment_id:
                assert 0 <= task.rows.start < task.rows.stop <= fragment.physical_rows
                times[task.rows.start : task.rows.stop] += 1
        assert times.max(initial=0) <= 1
        # A worker reads what the filter selects in a range, without what is excluded.
        computed = truth.selected & ~unpack_rows(fragment.exclude, fragment.physical_rows)
        np.testing.assert_array_equal(computed & (times == 1), truth.pending)
        for part in fragment.parts:
            if part.dense:
                assert not times[part.rows.start : part.rows.stop].any()
    assert plan.total_rows_pending == sum(f.pending_rows for f in plan.fragments)
    assert [task.task_id for task in plan.tasks] == list(range(plan.total_tasks))


@given(cases())
def test_fragments_are_chosen_in_order_and_the_others_say_why(case: Case):
    plan = plan_backfill(case.spec, case.snapshot)
    wanted = [truth.state.fragment_id for truth in case.truths if needs_work(truth)]
    first = case.spec.skip_frags
    last = None if case.spec.num_frags is None else first + case.spec.num_frags
    planned = [fragment.fragment_id for fragment in plan.fragments]
    assert planned == wanted[first:last]
    everything = {truth.state.fragment_id for truth in case.truths}
    assert set(plan.skipped) == everything - set(planned)
    assert {i for i, why in plan.skipped.items() if "_frags" in why} == set(wanted) - set(planned)
    states = [truth.state for truth in case.truths]
    fresh = {s.fragment_id for s in states if s.origin is Origin.FRESH and not s.redo}
    assert fresh.isdisjoint(planned)
    event(f"{len(planned)} fragments")


@given(cases())
def test_task_size_cuts_ranges_exactly(case: Case):
    plan = plan_backfill(case.spec, case.snapshot)
    size = case.spec.task_size or 10**9
    by_fragment = {i: list(g) for i, g in groupby(plan.tasks, key=lambda task: task.fragment_id)}
    for fragment in plan.fragments:
        tasks = iter(by_fragment.get(fragment.fragment_id, []))
        for whole in fragment.ranges:
            for start in range(whole.start, whole.stop, size):
                assert next(tasks).rows == RowRange(start, min(start + size, whole.stop))
        assert next(tasks, None) is None


@given(cases())
def test_a_file_claims_no_more_than_it_will_hold(case: Case):
    plan = plan_backfill(case.spec, case.snapshot)
    truths = {truth.state.fragment_id: truth for truth in case.truths}
    for fragment in plan.fragments:
        truth = truths[fragment.fragment_id]
        origin, redo = truth.state.origin, truth.state.redo
        afresh = int(truth.pending.sum()) == truth.state.live_rows and not truth.held
        if fragment.whole:
            _check_whole(fragment, truth)
        if origin is Origin.MISSING:
            assert not fragment.keep_old
        if fragment.complete and origin is not Origin.FRESH:
            # Every row that is not computed now was computed by this function.
            assert case.spec.where is None or afresh
            known = unpack_rows(fragment.kept, fragment.physical_rows) | truth.pending
            for part in fragment.parts:
                known[list(truth.held[part])] = True
            np.testing.assert_array_equal(known | ~truth.selected, True)
        if not fragment.keep_old:
            # Nothing that is not computed now, or in a part, may have to be kept.
            assert origin is Origin.MISSING or case.spec.where is None or afresh
            assert origin is not Origin.PARTIAL or redo or afresh
        if afresh:
            # All rows are computed: no filter and no old file is needed, and it may be damaged.
            assert (fragment.where, fragment.exclude) == (None, None)
            assert fragment.complete
            assert not fragment.keep_old


def _check_whole(fragment: FragmentPlan, truth: Truth) -> None:
    """A file that one task writes at once holds what that task computes, and nothing else."""
    assert fragment.exclude is None
    assert not truth.held
    assert int(truth.pending.sum()) == fragment.pending_rows
    if fragment.complete:
        np.testing.assert_array_equal(truth.pending, truth.selected)


@given(cases())
def test_plans_describe_themselves(case: Case):
    plan = plan_backfill(case.spec, case.snapshot)
    assert sum(plan.why.values()) == plan.total_rows_pending
    assert plan.has_work == bool(plan.fragments)
    assert plan.skipped_rows == plan.total_rows - plan.total_rows_pending >= 0
    assert plan.skipped_fragments + len(plan.fragments) == plan.total_fragments
    text = str(plan)
    assert f"{plan.total_rows_pending:,} of {plan.total_rows:,}" in text
    assert " 0 rows " not in text
