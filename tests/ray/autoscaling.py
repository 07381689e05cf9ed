"""A cluster whose nodes an autoscaler adds: Ray's own autoscaler over a provider that starts
processes of this machine. Ray's test cluster of that kind is not usable from its wheel, and stops
every Ray of the machine."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import time

import psutil
import ray._private.parameter as ray_parameter
from ray._private.node import Node
from ray._private.services import get_node_ip_address
from ray.autoscaler._private.fake_multi_node.node_provider import FakeMultiNodeProvider

_STARTUP_S = "GENEVA_TEST_NODE_STARTUP_S"
_HEAD_ID = "f" * 51 + "00000"
# What the schema of a cluster's configuration demands, however empty.
_LISTS = (
    "initialization_commands",
    "setup_commands",
    "head_setup_commands",
    "worker_setup_commands",
    "head_start_ray_commands",
    "worker_start_ray_commands",
    "cluster_synced_files",
    "rsync_exclude",
    "rsync_filter",
)


class Provider(FakeMultiNodeProvider):
    """Starts nodes as processes; Ray's own refuses node types with memory."""

    def _create_node_with_resources_and_labels(self, node_config, tags, count, resources, labels):
        others = {name: amount for name, amount in resources.items() if name != "memory"}
        time.sleep(float(os.environ[_STARTUP_S]))
        make = ray_parameter.RayParams.__init__

        def make_with_memory(params, *arguments, **options):
            options["memory"] = int(resources["memory"])
            options["include_log_monitor"] = False
            make(params, *arguments, **options)

        ray_parameter.RayParams.__init__ = make_with_memory
        try:
            super()._create_node_with_resources_and_labels(node_config, tags, count, others, labels)
        finally:
            ray_parameter.RayParams.__init__ = make


class AutoscalingCluster:
    """A head, and nodes of one type as the autoscaler wants them, each after ``startup_s``."""

    def __init__(
        self,
        head: dict[str, float],
        node: dict[str, float],
        most_nodes: int,
        startup_s: float = 0,
    ) -> None:
        with socket.socket() as probe:
            probe.bind(("", 0))
            port = probe.getsockname()[1]
        address = f"{get_node_ip_address()}:{port}"
        node_types = {
            "ray.head.default": {"resources": head, "node_config": {}, "max_workers": 0},
            "node": {
                "resources": node,
                "node_config": {},
                "min_workers": 0,
                "max_workers": most_nodes,
            },
        }
        config = {
            "cluster_name": "test",
            "max_workers": most_nodes,
            "provider": {
                "type": "external",
                "module": f"{__name__}.Provider",
                "gcs_address": address,
                "head_node_id": _HEAD_ID,
                "launch_multiple": True,
                "disable_node_updaters": True,
                "disable_launch_config_check": True,
            },
            "available_node_types": node_types,
            "head_node_type": "ray.head.default",
            "upscaling_speed": 1.0,
            "idle_timeout_minutes": 1,
            **{name: {} for name in ("auth", "docker", "file_mounts")},
            **{name: [] for name in _LISTS},
            "file_mounts_sync_continuously": False,
        }
        with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
            json.dump(config, file)
        environment = {
            "AUTOSCALER_UPDATE_INTERVAL_S": "1",
            "RAY_FAKE_CLUSTER": "1",
            "RAY_enable_autoscaler_v2": "1",
            "RAY_CLOUD_INSTANCE_ID": _HEAD_ID,
            "RAY_OVERRIDE_NODE_ID_FOR_TESTING": _HEAD_ID,
            _STARTUP_S: str(startup_s),
        }
        before = dict(os.environ)
        os.environ.update(environment)
        # The head node has no dashboard.
        start_dashboard, Node.start_api_server = Node.start_api_server, lambda *_, **__: None
        try:
            self._head = Node(
                ray_parameter.RayParams(
                    num_cpus=int(head["CPU"]),
                    memory=int(head["memory"]),
                    object_store_memory=80_000_000,
                    gcs_server_port=port,
                    autoscaling_config=file.name,
                    include_dashboard=False,
                    include_log_monitor=False,
                    env_vars=environment,
                ),
                head=True,
                shutdown_at_exit=False,
                spawn_reaper=True,
            )
        finally:
            Node.start_api_server = start_dashboard
            os.environ.clear()
            os.environ.update(before)
        self.address = self._head.gcs_address

    def shutdown(self) -> None:
        """End the head, and the nodes, which are children of its monitor."""
        processes = []
        for infos in self._head.all_processes.values():
            for info in infos:
                process = psutil.Process(info.process.pid)
                processes += [process, *process.children(recursive=True)]
        self._head.kill_all_processes(check_alive=False, allow_graceful=True)
        for process in processes:
            if process.is_running():
                process.kill()
        psutil.wait_procs(processes, timeout=5)
