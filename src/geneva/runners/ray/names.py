"""Names of a job's components, as Ray's dashboard shows them: job, role and number."""

from __future__ import annotations

NAMESPACE = "geneva"
_PREFIX = "geneva"
_CORE = "core"
_UNIT = "unit-"


def component_name(job_id: str, role: str, number: int | None = None, life: int = 0) -> str:
    """Name an actor.

    Parameters
    ----------
    job_id, role, number
        The job, "driver", "tracker", "applier", "writer" or "queue", and its number.
    life
        How often one of that name was there before: names are unique in a cluster.

    Examples
    --------
    >>> component_name("4f1c22ab99", "applier", 3), component_name("4f1c22ab99", "tracker", life=2)
    ('geneva:4f1c22ab:applier-3', 'geneva:4f1c22ab:tracker~2')
    """
    number_text = "" if number is None else f"-{number}"
    again = f"~{life}" if life else ""
    return f"{_PREFIX}:{job_id[:8]}:{role}{number_text}{again}"


def group_name(job_id: str, number: int, *, core: bool, life: str) -> str:
    """Name a placement group.

    Examples
    --------
    >>> group_name("4f1c22ab99", 3, core=False, life="a1")
    'geneva:4f1c22ab:unit-3~a1'
    """
    kind = f"{_CORE}-{number}" if core else f"{_UNIT}{number}"
    return f"{_PREFIX}:{job_id[:8]}:{kind}~{life}"


def parsed_group_name(name: str) -> tuple[str, int, bool] | None:
    """Return job, number and whether it is a core; None for a group of somebody else's.

    Examples
    --------
    >>> parsed_group_name("geneva:4f1c22ab:core-0~a1"), parsed_group_name("other")
    (('4f1c22ab', 0, True), None)
    """
    prefix, _, rest = name.partition(":")
    job, _, kind = rest.partition(":")
    kind = kind.partition("~")[0]
    word, _, number = kind.rpartition("-")
    if prefix != _PREFIX or word not in (_CORE, _UNIT.rstrip("-")) or not number.isdigit():
        return None
    return job, int(number), word == _CORE
