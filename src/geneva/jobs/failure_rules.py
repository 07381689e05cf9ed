"""What a driver does about rows that fail: how many may, and how often one may kill its worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from geneva.transformer.matchers import SkipLimit


@dataclass(frozen=True, slots=True)
class FailureRules:
    """What follows from a policy for the driver, which does not load the function.

    Attributes
    ----------
    losses : dict of str to (int, int or None)
        By name of the error of a row that kills its worker: how often the row is tried, and the
        matcher that skips it, or None where it ends the job.
    limits : tuple of SkipLimit
        Most rows that each matcher may skip.
    max_errors : SkipLimit
        Most rows that may fail in all.
    by_row : bool
        Whether the function is called per row, so that a worker can say in which one it was.

    Examples
    --------
    >>> rules = FailureRules.from_json({"losses": {"FatalWorkerCrashError": [1, 0]}}, SkipLimit(5))
    >>> rules.of_loss("FatalWorkerCrashError"), rules.of_loss("FatalWorkerOOMError")
    ((1, 0), (1, None))
    >>> rules.exceeded({0: 4}, total=100), rules.exceeded({0: 6}, total=100)
    (None, SkipLimit(count=5, fraction=None))
    """

    losses: dict[str, tuple[int, int | None]] = field(default_factory=dict)
    limits: tuple[SkipLimit, ...] = ()
    max_errors: SkipLimit = field(default_factory=SkipLimit)
    by_row: bool = False

    @classmethod
    def from_json(cls, said: Mapping[str, Any], max_errors: SkipLimit) -> FailureRules:
        """Read what a column's definition says; a column of an earlier Geneva says nothing."""
        return cls(
            losses={name: (int(n), rule) for name, (n, rule) in said.get("losses", {}).items()},
            limits=tuple(SkipLimit(*limit) for limit in said.get("limits", ())),
            max_errors=max_errors,
            by_row=bool(said.get("by_row", False)),
        )

    def of_loss(self, error: str) -> tuple[int, int | None]:
        """Return how often a row is tried that kills its worker so, and the rule that skips it."""
        return self.losses.get(error, (1, None))

    def exceeded(self, skipped: Mapping[int, int], total: int) -> SkipLimit | None:
        """Return the limit that is exceeded; None if none is.

        Parameters
        ----------
        skipped
            Rows that failed, by the matcher that skips them.
        total
            Rows that the job computes.
        """
        bounds = [(self.max_errors, sum(skipped.values()))]
        bounds += [(limit, skipped.get(rule, 0)) for rule, limit in enumerate(self.limits)]
        for limit, rows in bounds:
            most = limit.rows_of(total)
            if most is not None and rows > most:
                return limit
        return None
