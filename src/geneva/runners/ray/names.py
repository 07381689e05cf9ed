"""Names of a job's components, as Ray's dashboard shows them: job, role and number."""

from __future__ import annotations

import re
import uuid

NAMESPACE = "geneva"
_PREFIX = "geneva"
_CORE = "core"
_UNIT = "unit"


def run_tag(job_id: str) -> str:
    """Name one run of a job on a cluster: the beginning of its id, and what no other run has.

    Ids that users chose may begin alike, and a job may run again while Ray clears its last run.

    Examples
    --------
    >>> tags = {run_tag("nightly: 24"), run_tag("nightly: 25")}
    >>> sorted(tag[:8] for tag in tags)
    ['nightly-', 'nightly-']
    """
    return f"{re.sub('[^A-Za-z0-9]', '-', job_id)[:8]}.{uuid.uuid4().hex[:6]}"


def component_name(tag: str, role: str, number: int) -> str:
    """Name an actor.

    Examples
    --------
    >>> component_name("4f1c22ab.0c9d11", "applier", 3)
    'geneva:4f1c22ab.0c9d11:applier-3'
    """
    return f"{_PREFIX}:{tag}:{role}-{number}"


def driver_name(job_id: str) -> str:
    """Name a job's driver.

    Examples
    --------
    >>> driver_name("4f1c22abe0")[:16], driver_name("4f1c22abe0")[-7:]
    ('geneva:4f1c22ab.', ':driver')
    """
    return f"{_PREFIX}:{run_tag(job_id)}:driver"


def group_name(tag: str, number: int, *, core: bool) -> str:
    """Name a placement group.

    Examples
    --------
    >>> group_name("4f1c22ab.0c9d11", 3, core=False)
    'geneva:4f1c22ab.0c9d11:unit-3'
    """
    return f"{_PREFIX}:{tag}:{_CORE if core else _UNIT}-{number}"


def parsed_group_name(name: str) -> tuple[str, int, bool] | None:
    """Return the run, the number and whether it is a core; None for a group of somebody else's.

    Examples
    --------
    >>> parsed_group_name("geneva:4f1c22ab.0c9d11:core-0"), parsed_group_name("other")
    (('4f1c22ab.0c9d11', 0, True), None)
    """
    found = re.fullmatch(rf"{_PREFIX}:([^:]+):({_CORE}|{_UNIT})-(\d+)", name)
    return None if found is None else (found[1], int(found[3]), found[2] == _CORE)
