"""Names of a job's components, as Ray's dashboard shows them: job, role and number."""

from __future__ import annotations

import re
import uuid

NAMESPACE = "geneva"
_PREFIX = "geneva"
_CORE = "core"
_UNIT = "unit"
_MOST_LETTERS = 40


def run_tag(job_id: str) -> str:
    """Name one run of a job on a cluster: its id, and what no other run has.

    Of an id that we made, eight letters are enough to find it. Ids that users chose may be alike
    but for signs that have no place in a name, and a job may run again while Ray clears its last
    run.

    Examples
    --------
    >>> run_tag("nightly: 24").partition(".")[0]
    'nightly--24'
    >>> run_tag("4f1c22ab0c9d11ee8a6c0242ac120002").partition(".")[0]
    '4f1c22ab'
    """
    plain = re.sub("[^A-Za-z0-9]", "-", job_id)
    shown = plain[:8] if re.fullmatch("[0-9a-f]{32}", job_id) else plain[:_MOST_LETTERS]
    return f"{shown}.{uuid.uuid4().hex[:6]}"


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
    >>> driver_name("nightly")[:15], driver_name("nightly")[-7:]
    ('geneva:nightly.', ':driver')
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
