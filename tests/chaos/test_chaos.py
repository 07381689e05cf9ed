"""Whatever crashes and whoever else writes, the table ends as if nothing had happened."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from tests.chaos.judge import run_schedule
from tests.chaos.schedule import SCHEDULES, Schedule


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
@given(SCHEDULES)
def test_any_schedule_ends_right(schedule: Schedule) -> None:
    run_schedule(schedule)
