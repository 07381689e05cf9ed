"""Goals as data: a figure of a case and the most it may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

UNITS = {
    "wall_ratio": ("wall", "x"),
    "cpu_ratio": ("CPU", "x"),
    "wall": ("wall", " s"),
    "cpu": ("CPU", " s"),
    "job": ("call of backfill()", " s"),
    "job_ratio": ("call / embedded engine's whole process", "x"),
    "idle": ("share of a core besides appliers", ""),
    "kill_ratio": ("with kills / without", "x"),
    "rss_mb": ("peak RSS", " MB"),
    "first_batch": ("first batch", " s"),
}


@dataclass(frozen=True)
class Goal:
    """The most that one figure may be.

    Attributes
    ----------
    what
        A key of `UNITS`. The ratios are ours divided by the floor; the others are ours.
    limit
        The goal holds while the figure is not above it.
    """

    what: str
    limit: float


@dataclass(frozen=True)
class Verdict:
    """A goal beside the figure it speaks of; both are ``None`` when the figure was not measured."""

    what: str
    limit: float
    measured: float | None
    held: bool | None

    def __str__(self) -> str:
        name, unit = UNITS[self.what]
        mark = {True: "hold", False: "MISS", None: "not measured"}[self.held]
        measured = "" if self.measured is None else f" ({self.measured:.3g}{unit})"
        return f"{mark}: {name} <= {self.limit:g}{unit}{measured}"


def judge(goal: Goal, figures: Mapping[str, float]) -> Verdict:
    """Compare a goal with the medians and ratios of a case.

    Examples
    --------
    >>> str(judge(Goal("wall_ratio", 1.7), {"wall_ratio": 1.25}))
    'hold: wall <= 1.7x (1.25x)'
    """
    measured = figures.get(goal.what)
    held = None if measured is None else measured <= goal.limit
    return Verdict(goal.what, goal.limit, measured, held)
