"""`geneva plan`: what a backfill would do, what it would ask for, and where that would go."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from geneva.db import connect
from geneva.errors import InvalidArgumentError, MissingExtraError
from geneva.jobs.planner import Plan
from geneva.jobs.wording import counted, size
from geneva.resources.admission import Admission, admit
from geneva.resources.capacity import placement
from geneva.resources.footprint import Footprint
from geneva.resources.kuberay import shape_of_ray_cluster
from geneva.resources.memory import memory_per_applier
from geneva.resources.shape import ClusterShape
from geneva.runners.select import connect_to_ray, shape_here


@dataclass(frozen=True, slots=True)
class Outlook:
    """A plan, and what becomes of it on a cluster or machine."""

    plan: Plan
    footprint: Footprint
    admission: Admission
    shape: ClusterShape


def look_ahead(
    uri: str, table: str, column: str, *, definition: Path | None, ray: bool, **arguments: Any
) -> Outlook:
    """Plan a backfill on a defined cluster, on the one of ``RAY_ADDRESS``, or on this machine."""
    shape = None if definition is None else shape_of_ray_cluster(_read(definition))
    if ray and shape is None:
        connect_to_ray()
    plan = connect(uri).open_table(table).plan_backfill(column, **arguments)
    assert plan.footprint is not None  # noqa: S101 - plan_backfill() says it
    shape = shape or shape_here()
    footprint = replace(plan.footprint, components=shape.components)
    admission = admit(footprint, shape)
    if plan.estimate is not None:
        # It was made where this process is; the plan may be for another place.
        appliers = min(admission.now or admission.ever, plan.total_rows_pending)
        plan = replace(plan, estimate=plan.estimate.with_appliers(max(1, appliers)))
    return Outlook(plan, footprint, admission, shape)


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


def as_text(ahead: Outlook) -> str:
    """Return a plan with its footprint, placement and verdict as text."""
    where = [
        f"  {load.name:<17} {counted(load.appliers, 'applier')}"
        + ("" if ahead.shape.machine else f", {counted(load.writers, 'writer')}")
        + (", with driver and tracker" if load.core and not ahead.shape.machine else "")
        for load in placement(ahead.footprint, ahead.shape.nodes)
    ]
    nodes = counted(len(ahead.shape.nodes), "node")
    place = "this machine" if ahead.shape.machine else f"a Ray cluster of {nodes}"
    return "\n".join(
        [
            str(ahead.plan),
            "",
            f"Asks for, at most ({place})",
            *("  " + line for line in str(ahead.footprint).splitlines()),
            "",
            "Where it would go now",
            *(where or ["  nowhere"]),
            "",
            f"Memory: {_memory(ahead)}",
            *_disk(ahead.plan),
            f"Verdict: {ahead.admission}",
        ]
    )


def _memory(ahead: Outlook) -> str:
    known_bytes = ahead.plan.known_peak_bytes
    may_take = size(_applier_bytes(ahead))
    if not known_bytes:
        return f"an applier may take {may_take}; what one takes is known after the first job"
    return f"an applier took {size(known_bytes)} in an earlier job and may take {may_take}"


def _disk(plan: Plan) -> list[str]:
    if plan.free_disk_bytes is None:
        return []
    writes = f"about {size(plan.output_bytes)}" if plan.output_bytes else "values of any length"
    return [f"Disk: {writes} to write, {size(plan.free_disk_bytes)} free"]


def _applier_bytes(ahead: Outlook) -> int:
    at_once = max(1, ahead.admission.now)
    return memory_per_applier(replace(ahead.footprint, concurrency=at_once), ahead.shape)


def as_json(ahead: Outlook) -> str:
    """Return the same as JSON."""
    plan, admission = ahead.plan, ahead.admission
    return json.dumps(
        {
            "table": plan.table_name,
            "column": plan.column_name,
            "version": plan.version,
            "rows_to_compute": plan.total_rows_pending,
            "fragments": len(plan.fragments),
            "tasks": plan.total_tasks,
            "why": plan.why,
            "footprint": json.loads(ahead.footprint.to_json()),
            "estimate": None if plan.estimate is None else plan.estimate.as_dict(),
            "memory": {
                "applier_may_take_bytes": _applier_bytes(ahead),
                "applier_took_bytes": plan.known_peak_bytes or None,
            },
            "disk": {
                "writes_bytes": plan.output_bytes or None,
                "free_bytes": plan.free_disk_bytes,
            },
            "placement": [asdict(n) for n in placement(ahead.footprint, ahead.shape.nodes)],
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
