"""A run ends as it should, whatever its workers do and in whatever order they say so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from geneva.jobs.limits import Limits
from geneva.jobs.messages import Outcome
from geneva.jobs.planner import plan_backfill
from tests.property.simulation import Simulation, Troubles
from tests.property.tables import Case, cases

few = st.integers(0, 2)
troubles = st.builds(
    Troubles,
    losses=st.integers(0, 8),
    failures=few,
    stuck_starts=few,
    stuck_workers=few,
    outdated=few,
    commit_failures=st.integers(0, 1),
    stop_after=st.none() | st.integers(0, 60),
)


@st.composite
def runs(draw: st.DrawFn) -> dict[str, Any]:
    most = draw(st.integers(1, 4))
    ready = draw(st.integers(0, most))
    return {
        "most": most,
        "ready": ready,
        "starting": draw(st.integers(0, most - ready)),
        "seed": draw(st.integers(0, 2**32)),
        "row_s": draw(st.sampled_from([0.0, 0.01, 3.0])),
    }


def run(case: Case, how: dict[str, Any], what: Troubles, **bounds: Any) -> Outcome:
    plan = plan_backfill(case.spec, case.snapshot)
    assume(plan.has_work)
    pending = {t.state.fragment_id: set(t.pending.nonzero()[0].tolist()) for t in case.truths}
    limits = Limits(how["most"], case.spec.commit_granularity, worker_start_timeout_s=20, **bounds)
    simulation = Simulation(plan, pending, limits, what, how["seed"], row_s=how["row_s"])
    outcome = simulation.run(how["ready"], how["starting"])
    event(f"error: {type(outcome.error).__name__}")
    event(f"most: {how['most']}")
    return outcome


@settings(max_examples=300)
@given(cases(windows=False), runs(), few)
def test_without_trouble_everything_is_committed(case, how, outdated):
    assert run(case, how, Troubles(outdated=outdated)).error is None


@settings(max_examples=300)
@given(cases(windows=False), runs(), st.integers(1, 12))
def test_lost_workers_are_replaced(case, how, losses):
    assert run(case, how, Troubles(losses=losses), max_worker_losses=99).error is None


@settings(max_examples=600)
@given(cases(windows=False), runs(), troubles)
def test_a_run_ends_whatever_happens(case, how, what):
    if what.stuck_workers and what.stop_after is None:
        what = replace(what, stop_after=200)  # A function may take for ever, a user does not.
    run(case, how, what)


@given(cases(windows=False), runs())
def test_workers_that_never_start_end_the_run(case, how):
    how = {**how, "ready": 0}
    outcome = run(case, how, replace(Troubles(), stuck_starts=100))
    assert outcome.error is None or "did not start" in str(outcome.error)
