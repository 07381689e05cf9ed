"""`geneva plan`: what a backfill would do, what it would ask for, and where that would go."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from geneva.db import connect
from geneva.jobs.planner import Plan
from geneva.resources.capacity import placement
from geneva.resources.shape import ClusterShape
from geneva.runners.select import connect_to_ray, shape_here


def planned(uri: str, table: str, column: str, *, ray: bool, **arguments: Any) -> Plan:
    """Plan a backfill on the cluster that ``RAY_ADDRESS`` names, or on this machine."""
    if ray:
        connect_to_ray()
    return connect(uri).open_table(table).plan_backfill(column, **arguments)


def as_text(plan: Plan) -> str:
    """Return a plan with its footprint, placement and verdict as text."""
    assert plan.footprint is not None  # noqa: S101 - plan_backfill() gives both
    shape = shape_here()
    where = [
        f"  {load.name:<17} {_count(load.appliers, 'applier')}"
        + ("" if shape.machine else f", {_count(load.writers, 'writer')}")
        + (", driver" if load.driver else "")
        for load in placement(plan.footprint, shape.nodes)
    ]
    return "\n".join(
        [
            str(plan),
            "",
            f"Asks for, at most ({_place(shape)})",
            *("  " + line for line in str(plan.footprint).splitlines()),
            "",
            "Where it would go now",
            *(where or ["  nowhere"]),
            "",
            f"Verdict: {plan.admission}",
        ]
    )


def as_json(plan: Plan) -> str:
    """Return the same as JSON."""
    assert plan.footprint is not None  # noqa: S101
    assert plan.admission is not None  # noqa: S101
    admission = plan.admission
    return json.dumps(
        {
            "table": plan.table_name,
            "column": plan.column_name,
            "version": plan.version,
            "rows_to_compute": plan.total_rows_pending,
            "fragments": len(plan.fragments),
            "tasks": plan.total_tasks,
            "why": plan.why,
            "footprint": json.loads(plan.footprint.to_json()),
            "placement": [asdict(n) for n in placement(plan.footprint, shape_here().nodes)],
            "admission": {
                "verdict": admission.verdict.name,
                "asked": admission.asked,
                "now": admission.now,
                "ever": admission.ever,
                "reason": admission.reason,
                "fixes": [fix.text for fix in admission.fixes],
            },
        },
        indent=2,
    )


def _place(shape: ClusterShape) -> str:
    if shape.machine:
        return "this machine"
    return f"a Ray cluster of {_count(len(shape.nodes), 'node')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
