"""Asks every node of the cluster what it has, and whether it reaches what the caller reaches."""

from __future__ import annotations

import shutil
import tempfile
import time
import uuid
from dataclasses import dataclass

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from geneva.errors import EnvironmentMismatchError, GenevaError
from geneva.pipeline.environment import Versions, check_environment, environment_versions
from geneva.resources.shape import ClusterShape
from geneva.runners.ray.reach import cluster_address
from geneva.runners.ray.shape import cluster_shape
from geneva.storage.files import TableFiles
from geneva.storage.model import TableLocation

SHARED_FILE = "shared"
"""The file in the place given to :func:`take_census` that its caller wrote."""


@dataclass(frozen=True, slots=True)
class NodeAnswer:
    """What a node says.

    Attributes
    ----------
    name : str
        Its address.
    versions : Versions
        Its versions, Ray's among them.
    mismatch : str
        Why its workers could not work for the caller; empty if they can.
    free_disk_bytes : int
        Free space in the folder for temporary files there.
    storage_error : str or None
        Why it cannot use the database; None if it can, or if it was not asked.
    problem : str
        Why there is no answer; empty if there is one.
    """

    name: str
    versions: Versions = ()
    mismatch: str = ""
    free_disk_bytes: int = 0
    storage_error: str | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Census:
    """What a cluster is.

    Attributes
    ----------
    address : str
        Where its head is; "through Ray's client" if that hides it.
    shape : ClusterShape
        Its nodes with what they have.
    answers : tuple of NodeAnswer
        What each node says.
    """

    address: str
    shape: ClusterShape
    answers: tuple[NodeAnswer, ...]


def take_census(place: TableLocation | None, timeout_s: float) -> Census:
    """Ask all nodes at once.

    Parameters
    ----------
    place
        A folder that the nodes are to write into; None asks none to.
    timeout_s
        Seconds that nodes get to answer.

    Raises
    ------
    TimeoutError
        The cluster does not run even the smallest task within that time.
    """
    deadline_s = time.monotonic() + timeout_s
    names = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    # Asked there, because Ray's client does not tell what is free on each node.
    shape = ray.remote(num_cpus=0, max_retries=0)(cluster_shape).remote()
    asked = {
        ray.remote(num_cpus=0, max_retries=0)(answer_here)
        .options(scheduling_strategy=NodeAffinitySchedulingStrategy(node_id, soft=False))
        .remote(name, environment_versions(), place): (node_id, name)
        for node_id, name in names.items()
    }
    try:
        found = ray.get(shape, timeout=timeout_s)
    except ray.exceptions.GetTimeoutError:
        raise TimeoutError(f"the cluster ran no task within {timeout_s:g} s") from None
    left_s = max(1.0, deadline_s - time.monotonic())
    done, late = ray.wait(list(asked), num_returns=len(asked), timeout=left_s)
    answers = [_answer(reference, asked[reference][1]) for reference in done]
    for reference in late:
        answers.append(NodeAnswer(asked[reference][1], problem=f"no answer within {timeout_s:g} s"))
        ray.cancel(reference, force=True)
    order = list(names.values())
    answers.sort(key=lambda answer: order.index(answer.name))
    return Census(cluster_address() or "through Ray's client", found, tuple(answers))


def _answer(reference: object, name: str) -> NodeAnswer:
    try:
        found = ray.get(reference)
    except Exception as error:  # noqa: BLE001 - whatever a node without our packages raises
        last = [line for line in str(error).splitlines() if line.strip()][-1:]
        return NodeAnswer(name, problem=f"{type(error).__name__}: {''.join(last).strip()}")
    assert isinstance(found, NodeAnswer)  # noqa: S101 - what answer_here() returns
    return found


def answer_here(name: str, wanted: Versions, place: TableLocation | None) -> NodeAnswer:
    """Look at the node that this process is on.

    Parameters
    ----------
    name
        What the caller calls it.
    wanted
        The caller's versions.
    place
        See :func:`take_census`.
    """
    mismatch, storage_error = "", None
    try:
        check_environment(wanted, f"node {name}")
    except EnvironmentMismatchError as error:
        mismatch = str(error)
    if place is not None:
        try:
            files = TableFiles(place)
            files.write(f"nodes/{uuid.uuid4().hex}", name.encode())
            # The caller's own file: a folder of the same name that is not shared does not have it.
            files.read(SHARED_FILE)
        except (OSError, GenevaError, ValueError) as error:
            storage_error = f"{type(error).__name__}: {error}"
    versions = (*environment_versions(), ("ray", ray.__version__))
    free = shutil.disk_usage(tempfile.gettempdir()).free
    return NodeAnswer(name, versions, mismatch, free, storage_error)
