"""Whether the nodes of a Ray cluster can work for this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from geneva.jobs.wording import counted, size
from geneva.report import Check
from geneva.resources.cluster import CPU, GPU, MEMORY, Bundle, Node
from geneva.resources.packing import described

if TYPE_CHECKING:
    from geneva.runners.ray.census import Census, NodeAnswer

NAME, NODE_STORAGE = "cluster", "storage on nodes"
FIX = (
    "Look at the head of the cluster and at the address, or unset RAY_ADDRESS to compute on this "
    "machine."
)
_LITTLE_DISK_BYTES = 1 << 30
_INSTALL = "Install what this process has on that node: pip install 'opengeneva[ray]'"
_SHARED = (
    "Give the nodes the caller's rights, or use a place that all of them reach: an object store, "
    "or a folder that is mounted everywhere under the same path."
)


def check_nodes(census: Census) -> Sequence[Check]:
    """Say what each node has and runs."""
    by_name = {node.name: node for node in census.shape.nodes}
    text = f"{counted(len(census.answers), 'node')} at {census.address}"
    if census.shape.grows:
        text += ", and an autoscaler"
    return [
        Check(NAME, "ok", text),
        *(_node(answer, by_name.get(answer.name)) for answer in census.answers),
    ]


def _node(answer: NodeAnswer, node: Node | None) -> Check:
    name = f"node {answer.name}"
    if answer.problem:
        return Check(name, "failed", answer.problem, _INSTALL)
    if answer.mismatch:
        return Check(name, "failed", answer.mismatch, _INSTALL)
    text = "; ".join(_facts(answer, node))
    if answer.free_disk_bytes < _LITTLE_DISK_BYTES:
        return Check(name, "warning", text, "Free some space in its folder for temporary files.")
    return Check(name, "ok", text)


def _facts(answer: NodeAnswer, node: Node | None) -> Iterator[str]:
    yield ", ".join(f"{package} {version}" for package, version in answer.versions)
    if node is not None:
        usual = {name: node.total[name] for name in (CPU, GPU, MEMORY) if name in node.total}
        yield described(Bundle(usual))
    yield f"{size(answer.free_disk_bytes)} of disk free"


def check_node_storage(census: Census) -> Sequence[Check]:
    """Say which nodes cannot use the database."""
    failed = [(a.name, a.storage_error) for a in census.answers if a.storage_error is not None]
    asked = sum(not answer.problem for answer in census.answers)
    if failed:
        text = "\n".join(f"{name}: {' '.join(error.split())}" for name, error in failed)
        return [Check(NODE_STORAGE, "failed", text, _SHARED)]
    if not asked:
        return [Check(NODE_STORAGE, "skipped", "no node answers")]
    nodes = "1 node reads and writes" if asked == 1 else f"{asked} nodes read and write"
    return [Check(NODE_STORAGE, "ok", f"{nodes} the caller's files")]
