"""`geneva plan`: what a backfill would do, what it would ask for, and where that would go."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from geneva.db import connect
from geneva.errors import InvalidArgumentError, MissingExtraError
from geneva.jobs.planner import Plan
from geneva.resources.admission import admit
from geneva.resources.capacity import placement
from geneva.resources.footprint import Components
from geneva.resources.kuberay import shape_of_ray_cluster
from geneva.resources.shape import ClusterShape
from geneva.runners.select import connect_to_ray, shape_here


def planned(
    uri: str, table: str, column: str, *, definition: Path | None, ray: bool, **arguments: Any
) -> tuple[Plan, ClusterShape]:
    """Plan a backfill on a defined cluster, on the one of ``RAY_ADDRESS``, or on this machine."""
    if ray and definition is None:
        connect_to_ray()
    plan = connect(uri).open_table(table).plan_backfill(column, **arguments)
    if definition is None or plan.footprint is None:
        return plan, shape_here()
    shape = shape_of_ray_cluster(_read(definition))
    footprint = replace(plan.footprint, components=Components())
    return replace(plan, footprint=footprint, admission=admit(footprint, shape)), shape


def _read(definition: Path) -> Any:
    try:
        text = definition.read_text()
    except OSError as error:
        raise InvalidArgumentError(f"{definition} cannot be read: {error.strerror}.") from None
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        import yaml
    except ModuleNotFoundError:
        raise MissingExtraError(
            f"{definition} is not JSON, and YAML needs PyYAML. Install it with: pip install pyyaml"
        ) from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InvalidArgumentError(f"{definition} is neither JSON nor YAML: {error}") from None


def as_text(plan: Plan, shape: ClusterShape) -> str:
    """Return a plan with its footprint, placement and verdict as text."""
    assert plan.footprint is not None  # noqa: S101 - plan_backfill() gives both
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


def as_json(plan: Plan, shape: ClusterShape) -> str:
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
            "placement": [asdict(n) for n in placement(plan.footprint, shape.nodes)],
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
