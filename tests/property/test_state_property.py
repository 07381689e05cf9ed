"""A run ends as it should, whatever its workers do and in whatever order they say so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from geneva.errors import FatalWorkerCrashError, StalledError, WorkerStartError
from geneva.jobs.commands import Outcome
from geneva.jobs.events import LossCause
from geneva.jobs.failure_rules import FailureRules
from geneva.jobs.limits import Limits
from geneva.jobs.planner import plan_backfill
from geneva.jobs.stage import Stage
from tests.property.simulation import Injected, Simulation, Troubles
from tests.property.tables import Case, cases

few = st.integers(0, 2)
causes = st.sets(st.sampled_from(LossCause), min_size=1).map(
    lambda chosen: tuple(sorted(chosen, key=lambda cause: cause.value))
)


def stages(among: Iterable[Stage]) -> st.SearchStrategy[tuple[Stage | None, ...]]:
    """Say what stuck workers are at; None is one of which nothing is heard."""
    return st.lists(st.sampled_from([*among, None]), min_size=1, max_size=3).map(tuple)


# Each lasts longer than a worker may take to start.
rooms = st.lists(st.tuples(st.integers(0, 3), st.integers(20, 120)), max_size=3).flatmap(
    lambda changes: st.integers(1, 3).map(lambda last: (*changes, (last, 0)))
)
resizes = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 60)), max_size=3).map(
    lambda changes: tuple(sorted(changes, key=lambda change: change[1]))
)
troubles = st.builds(
    Troubles,
    losses=st.integers(0, 8),
    causes=causes,
    ghosts=few,
    releases=st.integers(0, 4),
    failures=few,
    stuck_starts=few,
    stuck_workers=few,
    stuck_at=stages(Stage),
    stuck_writers=few,
    reports=few,
    outdated=few,
    commit_failures=st.integers(0, 1),
    stop_after=st.none() | st.integers(0, 60),
    rooms=st.just(()) | rooms,
    resizes=st.just(()) | resizes,
)


@st.composite
def runs(draw: st.DrawFn) -> dict[str, Any]:
    most = draw(st.integers(1, 4))
    ready = draw(st.integers(0, most))
    return {
        "most": most,
        "ready": ready,
        "starting": draw(st.integers(0, most - ready)),
        "separate": draw(st.booleans()),
        "seed": draw(st.integers(0, 2**32)),
        "row_s": draw(st.sampled_from([0.0, 0.01, 3.0])),
    }


def run(case: Case, how: dict[str, Any], what: Troubles, **bounds: Any) -> Outcome:
    return simulate(case, how, what, **bounds)[0]


def simulate(
    case: Case, how: dict[str, Any], what: Troubles, **bounds: Any
) -> tuple[Outcome, Simulation]:
    plan = plan_backfill(case.spec, case.snapshot)
    assume(plan.has_work)
    pending = {t.state.fragment_id: set(t.pending.nonzero()[0].tolist()) for t in case.truths}
    limits = Limits(
        how["most"],
        case.spec.commit_granularity,
        # Others may compute for long before one gets its turn to start.
        worker_start_timeout_s=200,
        separate_writers=how["separate"],
        stall_timeout_s=60,
        **bounds,
    )
    simulation = Simulation(plan, pending, limits, what, how["seed"], row_s=how["row_s"])
    outcome = simulation.run(how["ready"], how["starting"])
    event(f"error: {type(outcome.error).__name__}")
    event(f"most: {how['most']}")
    return outcome, simulation


@settings(max_examples=300)
@given(cases(windows=False), runs(), few)
def test_without_trouble_everything_is_committed(case, how, outdated):
    assert run(case, how, Troubles(outdated=outdated)).error is None


@settings(max_examples=200)
@given(cases(windows=False), runs(), resizes)
def test_a_run_with_another_concurrency_loses_no_work(case, how, changes):
    how = {**how, "separate": False}
    outcome, simulation = simulate(case, how, Troubles(resizes=changes))
    assert outcome.error is None
    event(f"resized: {len(changes) - len(simulation.resizes)}")


@settings(max_examples=250)
@given(cases(windows=False), runs(), st.integers(1, 12), causes, few)
def test_lost_workers_are_replaced(case, how, losses, causes, ghosts):
    what = Troubles(losses=losses, causes=causes, ghosts=ghosts)
    assert run(case, how, what, max_worker_losses=99, max_node_losses=99).error is None


@settings(max_examples=250)
@given(cases(windows=False), runs(), st.integers(1, 4), few, few, st.booleans())
def test_rows_that_kill_their_worker_are_found(case, how, fatal, releases, losses, by_row):
    skipped = FailureRules(losses={"FatalWorkerCrashError": (1, 0)}, by_row=by_row)
    what = Troubles(fatal_rows=fatal, releases=releases, losses=losses)
    outcome, simulation = simulate(
        case, how, what, max_worker_losses=99, max_node_losses=99, failure_rules=skipped
    )
    assert outcome.error is None
    assert simulation.judge.lost == simulation.judge.fatal
    assert simulation.state.skips.rows == len(simulation.judge.lost)


@settings(max_examples=100)
@given(cases(windows=False), runs(), st.integers(1, 3))
def test_a_row_that_kills_its_worker_ends_the_run_where_none_is_skipped(case, how, fatal):
    outcome, simulation = simulate(case, how, Troubles(fatal_rows=fatal))
    if simulation.judge.fatal:
        [row] = simulation.judge.lost
        assert row in simulation.judge.fatal
        assert isinstance(outcome.error, FatalWorkerCrashError)


@settings(max_examples=150)
@given(cases(windows=False), runs(), st.integers(1, 9))
def test_nodes_that_go_use_up_no_budget_of_crashes(case, how, losses):
    what = Troubles(losses=losses, causes=(LossCause.NODE_LOST, LossCause.PREEMPTED))
    assert run(case, how, what, max_worker_losses=1, max_node_losses=10).error is None


@settings(max_examples=250)
@given(cases(windows=False), runs(), st.integers(1, 12), st.integers(0, 4))
def test_workers_that_are_asked_back_lose_no_work(case, how, releases, losses):
    what = Troubles(releases=releases, losses=losses)
    assert run(case, how, what, max_worker_losses=99).error is None


@settings(max_examples=250)
@given(cases(windows=False), runs(), rooms, st.integers(0, 4))
def test_a_cluster_that_gives_fewer_workers_at_times_none_only_takes_longer(
    case, how, rooms, losses
):
    how = {**how, "ready": 0}
    what = Troubles(rooms=rooms, losses=losses)
    assert run(case, how, what, max_worker_losses=99).error is None


@settings(max_examples=400)
@given(cases(windows=False), runs(), troubles)
def test_a_run_ends_whatever_happens(case, how, what):
    if (what.stuck_workers or what.stuck_writers) and what.stop_after is None:
        what = replace(what, stop_after=200)  # A function may take for ever, a user does not.
    run(case, how, what)


@given(cases(windows=False), runs())
def test_workers_that_never_start_end_the_run(case, how):
    how = {**how, "ready": 0}
    outcome = run(case, how, replace(Troubles(), stuck_starts=100))
    if outcome.error is not None:
        assert isinstance(outcome.error, WorkerStartError)
        assert "did not start" in str(outcome.error)


WAITING = (Stage.LOAD, Stage.READ, Stage.CHECKPOINT)


@settings(max_examples=200)
@given(cases(windows=False), runs(), st.sets(st.sampled_from(WAITING), min_size=1), few)
def test_a_run_whose_workers_wait_for_storage_for_ever_ends(case, how, at, writers):
    what = Troubles(stuck_workers=100, stuck_at=tuple(at), stuck_writers=writers, reports=3)
    outcome, simulation = simulate(case, how, what)
    assert isinstance(outcome.error, StalledError) is (simulation.got_stuck > 0)
    assert simulation.got_stuck or outcome.error is None


@settings(max_examples=100)
@given(cases(windows=False), runs(), st.sampled_from([Stage.UDF, Stage.SETUP, None]), few)
def test_a_run_with_somebody_who_may_compute_does_not_end_by_itself(case, how, at, writers):
    what = Troubles(stuck_workers=1, stuck_at=(at,), stuck_writers=writers, stop_after=2_000)
    outcome, simulation = simulate(case, how, what)
    stuck_at_work = [w for w in simulation.workers.values() if w.stuck and w.stuck_at == at]
    if stuck_at_work:
        assert isinstance(outcome.error, Injected)
        assert simulation.now_s > 200
