"""Everything that is not public in Ray, in one place, as measured with Ray 2.60.

The extra ``[ray]`` admits no other minor version: nothing here has a public equivalent that is as
fast, so a new version of Ray is a change of this module.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import ray
import ray._private.state as ray_state
import ray._private.worker as ray_worker
from ray._private.authentication.http_token_authentication import get_auth_headers_if_auth_enabled
from ray._private.node import Node as RayNode
from ray._private.parameter import RayParams
from ray._private.utils import get_dashboard_dependency_error
from ray.autoscaler.v2.sdk import get_cluster_resource_state
from ray.autoscaler.v2.utils import is_autoscaler_v2
from ray.core.generated.autoscaler_pb2 import GetClusterStatusReply, NodeStatus

from geneva.resources.cluster import Node

_RPC_TIMEOUT_S = 5
_NODE_TIMEOUT_S = 3
_LOOK_S = 0.005
_SPARE_S = 600
_BREAKPOINT = "PYTHONBREAKPOINT"
# What every component needs; loaded while the caller still prepares its first job.
_PRELOADED = ["lance", "geneva.runners.ray.driver_actor", "geneva.runners.ray.worker_actor"]
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


@contextlib.contextmanager
def _forks_unheard() -> Iterator[None]:
    """Ray forks to start its programs; nothing of Lance runs between the fork and their start."""
    with warnings.catch_warnings():
        for category in (UserWarning, RuntimeWarning):
            warnings.filterwarnings("ignore", message=".*fork", category=category)
        yield


def dashboard_is_missing() -> bool:
    """Say whether Ray is installed without what its dashboard needs."""
    return get_dashboard_dependency_error() is not None


def start_local_cluster(
    *, num_cpus: int, num_gpus: int, memory_bytes: int, dashboard: bool
) -> LocalCluster:
    """Start a cluster.

    What a job does not use is left out: dashboard, monitor, log monitor and workers in advance.
    """
    # An attribute of the class, because a node starts its processes while it is made.
    start_dashboard = RayNode.start_api_server
    if not dashboard:
        RayNode.start_api_server = lambda self, **arguments: None  # noqa: ARG005
    try:
        with _forks_unheard():
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
                        "enable_worker_prestart": True,
                        "prestart_worker_first_driver": True,
                        "preload_python_modules": _PRELOADED,
                        # Counted by every process each second, and shown by nobody.
                        "event_stats": False,
                    },
                ),
                head=True,
                shutdown_at_exit=True,
                spawn_reaper=True,
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


def join(address: str, **options: Any) -> None:
    """Connect this process to a cluster, and nothing else: Ray also takes ``breakpoint()`` over."""
    before = os.environ.get(_BREAKPOINT)
    try:
        ray.init(address=address, **options)
    finally:
        if before is None:
            os.environ.pop(_BREAKPOINT, None)
        else:
            os.environ[_BREAKPOINT] = before


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


def can_add_nodes(timeout_s: float) -> bool:
    """Say whether an autoscaler may add nodes; two milliseconds, or longer on a new cluster.

    Only the second version of Ray's autoscaler tells. A cluster with the first one counts as what
    it is now.
    """
    client = ray_worker.global_worker.gcs_client
    deadline = time.monotonic() + timeout_s
    while not _autoscaling_state().last_seen_cluster_resource_state_version:
        if not is_autoscaler_v2(fetch_from_server=True, gcs_client=client):
            return False
        if time.monotonic() > deadline:
            break  # It is there and will say later what it cannot add.
        time.sleep(timeout_s / 30)
    return True


@dataclass(frozen=True, slots=True)
class Autoscaling:
    """What an autoscaler does at one moment.

    Attributes
    ----------
    refused : set of str
        Ids of waiting placement groups that no node of its types holds.
    starting : dict of str to int
        How many nodes are being started, by their type.
    since_s : dict of str to float
        When the first node of a type was asked for, in seconds since 1970. Ray forgets that as soon
        as there is a machine on which it is not installed yet.
    """

    refused: set[str]
    starting: dict[str, int]
    since_s: dict[str, float]


def read_autoscaling() -> Autoscaling:
    """Ask what the autoscaler does; takes about a millisecond, and without one it does nothing."""
    state = _autoscaling_state()
    refused = {r.details.partition(":")[0] for r in state.infeasible_gang_resource_requests}
    starting: dict[str, int] = {}
    since_s: dict[str, float] = {}
    for request in state.pending_instance_requests:
        kind = request.ray_node_type_name
        starting[kind] = starting.get(kind, 0) + request.count
        if request.request_ts:
            since_s[kind] = min(since_s.get(kind, math.inf), request.request_ts)
    for instance in state.pending_instances:
        kind = instance.ray_node_type_name
        starting[kind] = starting.get(kind, 0) + 1
    return Autoscaling(refused, starting, since_s)


def _autoscaling_state() -> Any:
    client = ray_worker.global_worker.gcs_client
    reply = GetClusterStatusReply()
    reply.ParseFromString(client.get_cluster_status(timeout_s=_RPC_TIMEOUT_S))
    return reply.autoscaling_state


def start_workers(count: int, node_id: str | None = None, keep_s: int = _SPARE_S) -> None:
    """Start worker processes that any actor can take; what fails is left undone.

    Parameters
    ----------
    count
        How many.
    node_id
        Where; None means this node.
    keep_s
        Seconds for which one that nobody takes is kept.
    """
    # No function of Ray's Python side does this, only the service of its node.
    with contextlib.suppress(ImportError, OSError, StopIteration, AttributeError, ValueError):
        from ray.core.generated.node_manager_pb2 import PrestartWorkersRequest

        request = PrestartWorkersRequest(num_workers=count, keep_alive_duration_secs=keep_s)
        here = ray_worker.global_worker.current_node_id.hex()
        _ask_node(node_id or here, "PrestartWorkers", request)


def node_answers(node_id: str) -> bool:
    """Ask a node itself whether it is there; Ray's head takes a minute to notice that one is not.

    A node whose workers hold their interpreter locks answers. Without grpcio every node does.
    """
    try:
        from ray.core.generated.node_manager_pb2 import GetWorkerPIDsRequest

        _ask_node(node_id, "GetWorkerPIDs", GetWorkerPIDsRequest())
    except (OSError, StopIteration):
        return False
    except ImportError:
        pass
    return True


def _ask_node(node_id: str, what: str, request: Any) -> None:
    """Call the service of a node.

    Raises
    ------
    ImportError
        Ray was installed without its client.
    StopIteration
        There is no such node.
    OSError
        It does not answer.
    """
    import grpc
    from ray.core.generated.node_manager_pb2_grpc import NodeManagerServiceStub

    node = next(node for node in ray.nodes() if node["NodeID"] == node_id)
    headers = get_auth_headers_if_auth_enabled({})
    metadata = [(name.lower(), value) for name, value in headers.items()]
    metadata.append(("ray_cluster_id", ray_worker.global_worker.gcs_client.cluster_id.hex()))
    address = f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}"
    try:
        with grpc.insecure_channel(address) as channel:
            service = NodeManagerServiceStub(channel)
            getattr(service, what)(request, metadata=metadata, timeout=_NODE_TIMEOUT_S)
    except grpc.RpcError as error:
        raise OSError(f"the node at {address} does not answer: {error}") from None


def wait_until_known(actor: Any) -> None:
    """Wait until the cluster creates an actor without this process; a few milliseconds.

    Until then a detached actor whose maker ends is forgotten, although it has its name already.
    """
    deadline = time.monotonic() + _RPC_TIMEOUT_S
    while time.monotonic() < deadline:
        found = ray_state.actors(actor_id=actor._actor_id.hex())  # noqa: SLF001 - it has no other
        if found.get("State", "DEPENDENCIES_UNREADY") != "DEPENDENCIES_UNREADY":
            return
        time.sleep(_LOOK_S)


def error_log_path() -> str:
    """Return where the error output of this worker process goes."""
    return str(ray_worker.global_worker.get_err_file_path())
