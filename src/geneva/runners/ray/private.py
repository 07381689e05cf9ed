"""Everything that is not public in Ray, in one place, as measured with Ray 2.60.

Whatever fails here because Ray changed falls back to what is public, or says so.
"""

from __future__ import annotations

import contextlib
import json
import threading
import warnings
from dataclasses import dataclass
from typing import Any

import ray._private.worker as ray_worker
from ray._private.node import Node as RayNode
from ray._private.parameter import RayParams
from ray.autoscaler.v2.sdk import get_cluster_resource_state
from ray.core.generated.autoscaler_pb2 import GetClusterStatusReply, NodeStatus

from geneva.resources.cluster import Node

_RPC_TIMEOUT_S = 5.0
# Rows never pass through the object store.
_OBJECT_STORE_BYTES = 128 << 20


@dataclass(slots=True)
class LocalCluster:
    """A private cluster of this machine that this process started.

    Attributes
    ----------
    address : str
        Where it is.
    node : ray._private.node.Node
        Its head.
    """

    address: str
    node: Any

    def stop(self) -> None:
        """End all its processes."""
        self.node.kill_all_processes(check_alive=False, allow_graceful=True)


def start_local_cluster(
    *, num_cpus: int, num_gpus: int, memory_bytes: int, dashboard: bool, outlives_us: bool
) -> LocalCluster:
    """Start a cluster.

    What a job does not use is left out: dashboard, monitor, log monitor and workers in advance.
    That takes 1.2 s and 2 CPU seconds instead of 4 to 6 and 5 to 8.
    """
    # An attribute of the class, because a node starts its processes while it is made.
    start_dashboard = RayNode.start_api_server
    # Ray forks to start its programs; nothing of Lance runs between the fork and their start.
    warnings.filterwarnings("ignore", message=".*fork", category=UserWarning)
    warnings.filterwarnings("ignore", message=".*fork", category=RuntimeWarning)
    if not dashboard:
        RayNode.start_api_server = lambda self, **arguments: None  # noqa: ARG005
    try:
        node = RayNode(
            RayParams(
                num_cpus=num_cpus,
                num_gpus=num_gpus,
                memory=memory_bytes,
                object_store_memory=_OBJECT_STORE_BYTES,
                include_dashboard=dashboard,
                no_monitor=not dashboard,
                include_log_monitor=False,
                min_worker_port=0,
                max_worker_port=0,
                _system_config={
                    "enable_worker_prestart": False,
                    "prestart_worker_first_driver": False,
                },
            ),
            head=True,
            shutdown_at_exit=not outlives_us,
            spawn_reaper=not outlives_us,
        )
    finally:
        RayNode.start_api_server = start_dashboard
    return LocalCluster(node.gcs_address, node)


_print_to_stdstream = ray_worker.print_to_stdstream


def _print_quietly(data: dict[str, Any], *arguments: Any, **kwargs: Any) -> Any:
    # Pages about each worker that ended; the job says what it means.
    if data.get("pid") != "raylet":
        return _print_to_stdstream(data, *arguments, **kwargs)
    return None


def silence_raylet() -> None:
    """Keep Ray's own messages about lost workers from the user, whatever ``log_to_driver`` is."""
    ray_worker.print_to_stdstream = _print_quietly


def unsilence_raylet() -> None:
    """Undo :func:`silence_raylet`."""
    ray_worker.print_to_stdstream = _print_to_stdstream


@dataclass(frozen=True, slots=True)
class ClusterNodes:
    """The nodes of a cluster at one moment.

    Attributes
    ----------
    usable : tuple of Node
        Nodes that take new work.
    leaving : dict of str to str
        Nodes that are being taken away, id to address.
    """

    usable: tuple[Node, ...]
    leaving: dict[str, str]

    @property
    def alive(self) -> set[str]:
        """Ids of all nodes that are there."""
        return {node.node_id for node in self.usable} | set(self.leaving)


def read_nodes() -> ClusterNodes:
    """Return the nodes with what is free on each; takes about a millisecond."""
    client = ray_worker.global_worker.gcs_client
    usable, leaving = [], {}
    for state in get_cluster_resource_state(client).node_states:
        node_id, name = state.node_id.hex(), state.node_ip_address
        if state.status == NodeStatus.Value("DRAINING"):
            leaving[node_id] = name
        elif state.status != NodeStatus.Value("DEAD"):
            total, free = dict(state.total_resources), dict(state.available_resources)
            usable.append(Node(node_id, name, total, free, dict(state.labels)))
    return ClusterNodes(tuple(usable), leaving)


@dataclass(frozen=True, slots=True)
class AutoscalerView:
    """What the autoscaler says.

    Attributes
    ----------
    present : bool
        Whether there is one that could add nodes.
    refuses : bool
        Whether it says that no node type can ever hold what is waited for.
    starting : tuple of str
        Nodes that it is adding.
    """

    present: bool
    refuses: bool = False
    starting: tuple[str, ...] = ()


def read_autoscaler() -> AutoscalerView:
    """Ask the cluster's autoscaler, if it has one that can add nodes; about two milliseconds.

    Only the second version of Ray's autoscaler publishes what it decides. A first-version one is
    believed to be able to add nodes as long as it lists node types of its own.
    """
    client = ray_worker.global_worker.gcs_client
    reply = GetClusterStatusReply()
    reply.ParseFromString(client.get_cluster_status(timeout_s=int(_RPC_TIMEOUT_S)))
    state = reply.autoscaling_state
    if not state.last_seen_cluster_resource_state_version:
        return AutoscalerView(present=_first_autoscaler_has_types(client))
    starting = [request.ray_node_type_name for request in state.pending_instance_requests]
    starting += [instance.ray_node_type_name for instance in state.pending_instances]
    refuses = bool(state.infeasible_gang_resource_requests or state.infeasible_resource_requests)
    return AutoscalerView(present=True, refuses=refuses, starting=tuple(starting))


def _first_autoscaler_has_types(client: Any) -> bool:
    status = client.internal_kv_get(b"__autoscaling_status", None, timeout=_RPC_TIMEOUT_S)
    if not status:
        return False
    report = json.loads(status).get("autoscaler_report", {})
    return len(report.get("available_node_types") or report.get("node_types") or ()) > 0


def head_answers(timeout_s: float = _RPC_TIMEOUT_S) -> bool:
    """Say whether the head of the cluster answers; never waits longer than asked."""
    answered = threading.Event()

    def ask() -> None:
        client = ray_worker.global_worker.gcs_client
        with contextlib.suppress(Exception):
            client.internal_kv_exists(b"geneva", b"geneva", timeout=timeout_s)
            answered.set()

    threading.Thread(target=ask, name="geneva-ask-head", daemon=True).start()
    return answered.wait(timeout_s + 1.0)


def error_log_path() -> str:
    """Return where the error output of this worker process goes."""
    return str(ray_worker.global_worker.get_err_file_path())
