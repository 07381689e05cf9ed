"""What a chaos run does, as data: calls of backfill, and what happens while they run."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from geneva.storage.fault_points import POINTS
from tests.chaos.world import OPERATIONS

CRASHES = ("kill", "exit", "raise")


@dataclass(frozen=True)
class Incident:
    """Something that happens once, when a call passes a point for the nth time."""

    point: str
    nth: int
    what: str


@dataclass(frozen=True)
class Call:
    """One call of ``backfill`` in a process of its own."""

    runner: str
    arguments: tuple[tuple[str, object], ...]
    incidents: tuple[Incident, ...]
    killed_at_key: int | None

    @property
    def crashes(self) -> int:
        return sum(i.what in CRASHES for i in self.incidents) + (self.killed_at_key is not None)


@dataclass(frozen=True)
class Schedule:
    """A table and all that is done to it."""

    rows: int
    per_fragment: int
    stable_row_ids: bool
    batch_size: int
    calls: tuple[Call, ...]

    @property
    def operations(self) -> int:
        """How often somebody else writes."""
        return sum(i.what in OPERATIONS for call in self.calls for i in call.incidents)


_INCIDENTS = st.builds(
    Incident,
    point=st.sampled_from(POINTS),
    nth=st.sampled_from((1, 1, 1, 1, 2, 2, 3, 5)),
    what=st.sampled_from((*CRASHES, *OPERATIONS)),
)
_ARGUMENTS = st.fixed_dictionaries(
    {"checkpoint_size": st.sampled_from((1, 3, 8, None))},
    optional={
        "where": st.sampled_from(("key % 2 = 0", "a > 3")),
        "force": st.just(True),
        "commit_granularity": st.integers(1, 3),
        "task_size": st.sampled_from((4, 9)),
        "num_frags": st.integers(1, 3),
    },
).map(lambda arguments: tuple(arguments.items()))
_CALLS = st.builds(
    Call,
    # Processes take long to start, and most of what can go wrong does not depend on them.
    runner=st.sampled_from(("inline",) * 9 + ("process",)),
    arguments=_ARGUMENTS,
    incidents=st.lists(_INCIDENTS, min_size=1, max_size=4).map(tuple),
    killed_at_key=st.none() | st.none() | st.none() | st.integers(0, 30),
)
SCHEDULES = st.builds(
    Schedule,
    rows=st.integers(5, 40),
    per_fragment=st.integers(3, 15),
    stable_row_ids=st.booleans(),
    batch_size=st.integers(1, 8),
    calls=st.lists(_CALLS, min_size=1, max_size=4).map(tuple),
)
