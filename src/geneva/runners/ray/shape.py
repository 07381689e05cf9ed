"""The shape of the cluster that this process is connected to."""

from __future__ import annotations

from geneva.resources.shape import ClusterShape
from geneva.runners.ray.private import can_add_nodes, read_nodes
from geneva.runners.ray.reach import cluster_address

_AUTOSCALER_S = 1.0


def cluster_shape() -> ClusterShape | None:
    """Return its nodes; None through Ray's own client, which does not tell what is free on each."""
    if cluster_address() is None:
        return None
    return ClusterShape(read_nodes().usable, grows=can_add_nodes(_AUTOSCALER_S))
