"""Plans and estimates in a notebook."""

from __future__ import annotations

from collections import Counter

from geneva.html import Html
from geneva.jobs.estimate import Estimate
from geneva.jobs.measures import amount
from geneva.jobs.planner import Plan
from geneva.jobs.plans import Plans
from geneva.jobs.wording import counted
from geneva.markup import block, facts, table


def plan_html(plan: Plan) -> str:
    """Return what a backfill will do."""
    why = [(f"{rows:,}", words) for words, rows in plan.why.items() if rows]
    skipped = Counter(plan.skipped.values())
    admission = plan.admission
    return block(
        f"Backfill of {plan.table_name}.{plan.column_name}",
        facts(
            [
                ("version", str(plan.version)),
                ("where", plan.where),
                ("fills", ", ".join(plan.columns) if len(plan.columns) > 1 else ""),
                ("rows to compute", f"{plan.total_rows_pending:,} of {plan.total_rows:,}"),
                ("fragments", f"{len(plan.fragments):,} of {plan.total_fragments:,}"),
                ("tasks", f"{plan.total_tasks:,}"),
                ("reads at most", amount(plan.input_bytes) if plan.input_bytes else ""),
                ("writes", amount(plan.output_bytes) if plan.output_bytes else ""),
                ("changed", plan.changed if plan.udf_mismatch else ""),
                ("workers", "" if admission is None else admission.reason),
            ]
        ),
        table(("rows", "because they"), why, numbers=[0]) if why else "",
        table(
            ("fragments skipped", "because"),
            [(f"{count:,}", reason) for reason, count in skipped.items()],
            numbers=[0],
        )
        if skipped
        else "",
        "" if plan.estimate is None else Html(estimate_html(plan.estimate)),
    )


def plans_html(plans: Plans) -> str:
    """Return what a backfill of several columns will do, in order."""
    rows = [
        (
            plan.column_name,
            f"{plan.total_rows_pending:,}",
            f"{len(plan.fragments):,}",
            f"{plan.total_tasks:,}",
            ", ".join(plans.after.get(plan.column_name, ())),
            ", ".join(plans.together.get(plan.column_name, ())),
            "; ".join(f"{count:,} {words}" for words, count in plan.why.items() if count),
        )
        for plan in plans
    ]
    head = ("column", "rows to compute", "fragments", "tasks", "after", "in one pass with", "why")
    if not rows:
        return block("Nothing to compute.")
    return block(
        f"Backfill of {counted(len(rows), 'column')} of {plans.plans[0].table_name}",
        table(head, rows, numbers=range(1, 4)),
    )


def estimate_html(estimate: Estimate) -> str:
    """Return how long a job is expected to take."""
    first, *lines = (line.strip() for line in estimate.lines())
    split = [(line[:16].strip(), line[16:].strip()) for line in lines]
    return block("Estimate", first.removeprefix("estimate").strip(), facts(split))
