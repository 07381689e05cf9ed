"""What the jobs of a cluster hold and wait for, as their placement groups say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from geneva.resources.cluster import Bundle
from geneva.resources.sharing import Claim
from geneva.runners.ray.names import parsed_group_name

_HELD = "CREATED"
_GONE = "REMOVED"


def claims_in(table: Mapping[str, Mapping[str, Any]]) -> tuple[Claim, ...]:
    """Return the claims of all jobs.

    Parameters
    ----------
    table
        What ``ray.util.placement_group_table()`` returned.

    Examples
    --------
    >>> row = {"name": "geneva:4f1c22ab.0c9d11:core-0", "state": "CREATED"}
    >>> row |= {"bundles": {0: {"CPU": 1.0}}, "bundles_to_node_id": {0: "a"}}
    >>> claims_in({"1": row, "2": {"name": "not a job's"}})[0].nodes
    ('a',)
    """
    claims = []
    for row in table.values():
        parsed = parsed_group_name(row["name"])
        if parsed is None or row["state"] == _GONE:
            continue
        job, number, core = parsed
        where = row["bundles_to_node_id"] if row["state"] == _HELD else {}
        nodes = tuple(where[i] for i in sorted(where))
        gang = tuple(Bundle(row["bundles"][i]) for i in sorted(row["bundles"]))
        claims.append(Claim(job, number, gang, nodes, core))
    return tuple(claims)
