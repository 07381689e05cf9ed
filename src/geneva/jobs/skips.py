"""Counts the rows of a run that failed, and says when there are too many. Pure."""

from __future__ import annotations

from geneva.errors import SkipThresholdExceededError, with_details
from geneva.jobs.events import RowsApplied
from geneva.jobs.failure_rules import FailureRules
from geneva.jobs.wording import counted


class SkipBook:
    """The rows that failed.

    Those that are not durable may be computed once more, by another worker, and are counted then.

    Parameters
    ----------
    target : str
        Table and column.
    rules : FailureRules
        How many may fail.
    total : int
        Rows that the run computes.

    Examples
    --------
    >>> from geneva.jobs.events import StageTimes
    >>> from geneva.transformer.matchers import SkipLimit
    >>> book = SkipBook("docs.words", FailureRules(max_errors=SkipLimit(count=1)), total=100)
    >>> some = RowsApplied(3, 0, 50, 0, 50, StageTimes(), failed={0: 2})
    >>> print(book.record(some, rows_done=50))  # doctest: +NORMALIZE_WHITESPACE
    2 rows of docs.words failed among 50, and at most 1 row may. What was computed is kept;
    table.errors() says what went wrong. Allow more with max_errors=, or mend the function.
    >>> book.lost(3)
    >>> book.rows
    0
    """

    def __init__(self, target: str, rules: FailureRules, total: int) -> None:
        self._target = target
        self._rules = rules
        self._total = total
        self._durable: dict[int, int] = {}
        self._at_risk: dict[int, dict[int, int]] = {}

    @property
    def rows(self) -> int:
        """Rows that failed."""
        return sum(self._by_rule().values())

    def record(self, event: RowsApplied, rows_done: int) -> SkipThresholdExceededError | None:
        """Take in what a worker reports; return the error that ends the run if too many failed."""
        if not event.failed:
            return None
        _add(self._at_risk.setdefault(event.worker, {}), event.failed)
        return self._judged(rows_done)

    def skipped(self, rule: int, rows_done: int) -> SkipThresholdExceededError | None:
        """Take in a row that kills whoever computes it and is skipped by a rule."""
        _add(self._durable, {rule: 1})
        return self._judged(rows_done)

    def durable(self, worker: int) -> None:
        """Take in that what a worker has reported is durable."""
        if worker in self._at_risk:
            _add(self._durable, self._at_risk.pop(worker))

    def lost(self, worker: int) -> None:
        """Take in that a worker is gone with what is not durable."""
        self._at_risk.pop(worker, None)

    def _by_rule(self) -> dict[int, int]:
        found = dict(self._durable)
        for failed in self._at_risk.values():
            _add(found, failed)
        return found

    def _judged(self, rows_done: int) -> SkipThresholdExceededError | None:
        skipped = self._by_rule()
        limit = self._rules.exceeded(skipped, self._total)
        if limit is None:
            return None
        rows = sum(skipped.values())
        most = counted(limit.rows_of(self._total) or 0, "row")
        share = "" if limit.fraction is None else f" ({limit.fraction:.3%} of {self._total:,})"
        error = SkipThresholdExceededError(
            f"{counted(rows, 'row')} of {self._target} failed among {rows_done:,}, and at most "
            f"{most}{share} may. What was computed is kept; table.errors() says what went wrong. "
            "Allow more with max_errors=, or mend the function."
        )
        with_details(
            error,
            skipped=rows,
            processed=rows_done,
            max_count=limit.count,
            max_fraction=limit.fraction,
        )
        return error


def _add(to: dict[int, int], more: dict[int, int]) -> None:
    for rule, rows in more.items():
        to[rule] = to.get(rule, 0) + rows
