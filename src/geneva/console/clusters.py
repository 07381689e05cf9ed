"""Clusters that are defined in a database, as the console shows them."""

from __future__ import annotations

from geneva.cluster import GenevaCluster
from geneva.console.job_api import ClusterLine
from geneva.storage import cluster_definitions
from geneva.storage.model import TableLocation


def clusters_of(database: TableLocation) -> list[ClusterLine]:
    """Return the clusters that are defined in a database, without what may hold secrets."""
    stored = cluster_definitions.list_clusters(database)
    return [
        ClusterLine(
            name=cluster.name,
            kind=cluster.cluster_type.value,
            address=cluster.ray_address,
            created_at=cluster.created_at,
            created_by=cluster.created_by,
        )
        for cluster in map(GenevaCluster.from_dict, stored)
    ]
