"""Definitions of Ray clusters: what they are and how to reach them. Nothing here imports Ray."""

from geneva.cluster.definition import GenevaCluster, GenevaClusterType

__all__ = ["GenevaCluster", "GenevaClusterType"]
