"""The plans of several columns that are computed one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from geneva.jobs.planner import Plan


@dataclass(frozen=True, slots=True)
class Plans:
    """What a backfill of several columns will do, in order.

    ``print(plans)`` shows it in words; iterating gives the plans.

    Attributes
    ----------
    plans : tuple of Plan
        The columns, in the order in which they are computed.
    after : dict of str to tuple of str
        For a column that is computed from others of the call: these. Its plan says what is missing
        or stale now; rows that change in those others are computed too.
    together : dict of str to tuple of str
        For a column that shares a pass with others: these. Where they need all rows of a fragment,
        each row is read once for all of them.
    """

    plans: tuple[Plan, ...]
    after: dict[str, tuple[str, ...]] = field(default_factory=dict)
    together: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Plan]:
        return iter(self.plans)

    def __len__(self) -> int:
        return len(self.plans)

    def __getitem__(self, column: str) -> Plan:
        return next(plan for plan in self.plans if column in plan.columns)

    @property
    def has_work(self) -> bool:
        """Whether anything is to be done."""
        return any(plan.has_work for plan in self.plans)

    @property
    def total_rows_pending(self) -> int:
        """Rows to compute now, summed over the columns."""
        return sum(plan.total_rows_pending for plan in self.plans)

    def __str__(self) -> str:
        pieces = []
        for plan in self.plans:
            piece = str(plan)
            before = self.after.get(plan.column_name, ())
            if before:
                piece += f"\n  after             {', '.join(before)}, and what changes there"
            beside = self.together.get(plan.column_name, ())
            if beside:
                piece += f"\n  in one pass with  {', '.join(beside)}"
            pieces.append(piece)
        return "\n".join(pieces) or "Nothing to compute."

    def _repr_html_(self) -> str:
        from geneva.jobs.shown.plan import plans_html

        return plans_html(self)
