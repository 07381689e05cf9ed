"""The shape of a cluster that KubeRay makes out of a ``RayCluster`` definition. Pure.

What a node has is what its ``ray start`` is told: the group's ``resources``, else its
``rayStartParams``, else the limits of its first container. CPUs are rounded up, as KubeRay does.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from geneva.errors import InvalidArgumentError
from geneva.resources.cluster import CPU, GPU, MEMORY, Node
from geneva.resources.shape import ClusterShape, NodeType

_QUANTITY = re.compile(r"^([0-9.]+(?:e[0-9]+)?)(m|[kKMGTPE]i?)?$")
_PARAMETERS = {"num-cpus": CPU, "num-gpus": GPU, "memory": MEMORY}
# The default of its schema.
_UNBOUNDED = 2**31 - 1


def shape_of_ray_cluster(definition: object) -> ClusterShape:
    """Return the head and the least workers as nodes, and the rest as what may be added.

    Parameters
    ----------
    definition
        A ``RayCluster`` as a mapping, as its YAML or JSON says.

    Raises
    ------
    InvalidArgumentError
        It is not a ``RayCluster``, or a quantity cannot be read.

    Examples
    --------
    >>> pod = {"spec": {"containers": [{"resources": {"limits": {"cpu": "4", "memory": "8Gi"}}}]}}
    >>> group = {"groupName": "cpu", "minReplicas": 1, "maxReplicas": 3, "template": pod}
    >>> head = {"rayStartParams": {"num-cpus": "0"}, "template": pod}
    >>> spec = {"headGroupSpec": head, "workerGroupSpecs": [group]}
    >>> autoscaled = {**spec, "enableInTreeAutoscaling": True}
    >>> shape = shape_of_ray_cluster({"kind": "RayCluster", "spec": autoscaled})
    >>> [(node.name, node.total["CPU"]) for node in shape.nodes], shape.node_types[0].most
    ([('head', 0.0), ('cpu-0', 4.0)], 2)
    """
    given: Mapping[str, Any] = definition if isinstance(definition, Mapping) else {}
    kind, spec = given.get("kind"), given.get("spec")
    if kind != "RayCluster" or not isinstance(spec, Mapping):
        raise InvalidArgumentError(
            f"kind: {kind!r}; expected the definition of a RayCluster, with spec."
        )
    grows = bool(spec.get("enableInTreeAutoscaling"))
    nodes = [_node("head", spec.get("headGroupSpec") or {})]
    types = []
    for group in spec.get("workerGroupSpecs") or ():
        name, hosts = str(group.get("groupName")), int(group.get("numOfHosts") or 1)
        least = int((group.get("minReplicas") if grows else group.get("replicas")) or 0) * hosts
        nodes += [_node(f"{name}-{i}", group) for i in range(least)]
        most = int(group.get("maxReplicas", _UNBOUNDED)) * hosts - least
        if grows and most > 0:
            types.append(NodeType(name, _resources(group), most, _labels(group)))
    return ClusterShape(tuple(nodes), tuple(types))


def bytes_or_number(quantity: str | float) -> float:
    """Read a Kubernetes quantity.

    Examples
    --------
    >>> [bytes_or_number(text) for text in ("500m", "8Gi", "1e9", "2k", 3)]
    [0.5, 8589934592.0, 1000000000.0, 2000.0, 3.0]
    """
    found = _QUANTITY.match(str(quantity))
    if found is None:
        raise InvalidArgumentError(
            f"{quantity!r} is not a Kubernetes quantity such as 500m or 8Gi."
        )
    number, suffix = float(found[1]), found[2] or ""
    if suffix == "m":
        return number / 1000
    power = "kmgtpe".find(suffix[:1].lower()) + 1 if suffix else 0
    base: int = 1024 if suffix.endswith("i") else 1000
    return number * float(base**power)


def _node(name: str, group: Mapping[str, Any]) -> Node:
    total = _resources(group)
    return Node(name, name, total, total, _labels(group))


def _resources(group: Mapping[str, Any]) -> dict[str, float]:
    containers = (group.get("template") or {}).get("spec", {}).get("containers") or [{}]
    asked = containers[0].get("resources") or {}
    limits, requests = asked.get("limits") or {}, asked.get("requests") or {}
    cpus = limits.get("cpu", requests.get("cpu", 0))
    found = {CPU: float(math.ceil(bytes_or_number(cpus)))}
    if "memory" in limits:
        found[MEMORY] = bytes_or_number(limits["memory"])
    gpus = [amount for name, amount in limits.items() if name.endswith("/gpu")]
    if gpus:
        found[GPU] = bytes_or_number(gpus[0])
    parameters = group.get("rayStartParams") or {}
    for name, resource in _PARAMETERS.items():
        if name in parameters:
            found[resource] = bytes_or_number(parameters[name])
    text = str(parameters.get("resources", "{}"))
    try:
        custom = json.loads(text.strip("'\"").replace('\\"', '"'))
        found |= {name: float(amount) for name, amount in custom.items()}
    except (ValueError, AttributeError, TypeError):
        raise InvalidArgumentError(
            f"rayStartParams.resources is {text!r}; expected JSON such as '{{\"slot\": 2}}'."
        ) from None
    return found | {k: bytes_or_number(v) for k, v in (group.get("resources") or {}).items()}


def _labels(group: Mapping[str, Any]) -> dict[str, str]:
    given = str((group.get("rayStartParams") or {}).get("labels", ""))
    pairs = (pair.partition("=") for pair in given.split(",") if "=" in pair)
    labels = {name.strip(): value.strip() for name, _, value in pairs}
    return labels | dict(group.get("labels") or {})
