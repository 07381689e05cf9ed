"""Definitions of Ray clusters: what they are and how to reach them. Nothing here imports Ray."""

from geneva.cluster.definition import GenevaCluster, GenevaClusterType
from geneva.cluster.exit_mode import ExitMode

__all__ = ["ExitMode", "GenevaCluster", "GenevaClusterType"]
