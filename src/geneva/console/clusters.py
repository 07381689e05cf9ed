"""Clusters that are defined in a database, as the console shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from geneva.cluster import GenevaCluster
from geneva.console.job_api import ClusterLine
from geneva.jobs.job_line import JobLine
from geneva.storage import cluster_definitions
from geneva.storage.model import TableLocation


@dataclass(frozen=True, slots=True)
class PlaceLine:
    """A machine or cluster where jobs run or ran.

    Attributes
    ----------
    place : str
        The machine, or the cluster's name or address.
    going, ended : int
        Jobs that have not ended, and that have.
    workers : int
        Workers at work there.
    """

    place: str
    going: int
    ended: int
    workers: int


def places_of(lines: Sequence[JobLine]) -> list[PlaceLine]:
    """Return where jobs run, in the order of names.

    Examples
    --------
    >>> places_of([])
    []
    """
    by_place: dict[str, list[JobLine]] = {}
    for line in lines:
        by_place.setdefault(line.where, []).append(line)
    return [
        PlaceLine(
            place=place,
            going=sum(not job.status.ended for job in jobs),
            ended=sum(job.status.ended for job in jobs),
            workers=sum(job.workers for job in jobs if not job.status.ended),
        )
        for place, jobs in sorted(by_place.items())
    ]


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
