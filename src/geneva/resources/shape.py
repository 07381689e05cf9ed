"""The shape of a cluster, or of this machine: what there is and what may still be added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from geneva.resources.cluster import CPU, GPU, MEMORY, Node
from geneva.resources.footprint import IN_PROCESS, Components
from geneva.resources.packing import emptied
from geneva.resources.request import Machine


@dataclass(frozen=True, slots=True)
class NodeType:
    """A kind of node that an autoscaler may add.

    Attributes
    ----------
    name : str
        Its name, that of a worker group for example.
    resources : mapping of str to float
        What one node of it has.
    most : int
        How many more of it may be added.
    labels : mapping of str to str
        Labels of its nodes.
    """

    name: str
    resources: Mapping[str, float]
    most: int
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClusterShape:
    """What a job can be placed on.

    Attributes
    ----------
    nodes : tuple of Node
        The nodes that take new work, with what is free on each.
    node_types : tuple of NodeType
        What an autoscaler may add, as far as that is known.
    grows : bool
        Whether an autoscaler adds nodes of kinds that it does not tell.
    machine : bool
        Whether this is one machine with nothing but worker processes: no driver, tracker, writers
        or queues have to be placed.

    Examples
    --------
    >>> shape = ClusterShape((Node("a", "10.0.0.1", {"CPU": 4.0}, {"CPU": 1.0}),))
    >>> shape.empty.nodes[0].free
    {'CPU': 4.0}
    """

    nodes: tuple[Node, ...]
    node_types: tuple[NodeType, ...] = ()
    grows: bool = False
    machine: bool = False

    @property
    def empty(self) -> ClusterShape:
        """The same when nobody holds anything."""
        return self._with(emptied(self.nodes))

    def whole(self, most_of_each: int) -> ClusterShape:
        """Return the same when nobody holds anything and so many of each type were added."""
        new = [kind for kind in self.node_types for _ in range(min(kind.most, most_of_each))]
        return self.empty.with_new(new)

    @property
    def components(self) -> Components:
        """What stands beside the appliers there."""
        return IN_PROCESS if self.machine else Components()

    def with_new(self, added: Sequence[NodeType]) -> ClusterShape:
        """Return the same with one new node of each type given."""
        new = [
            Node(f"new-{i}", f"new {kind.name}", kind.resources, kind.resources, kind.labels)
            for i, kind in enumerate(added)
        ]
        return self._with([*self.nodes, *new])

    def _with(self, nodes: Sequence[Node]) -> ClusterShape:
        return ClusterShape(tuple(nodes), self.node_types, self.grows, self.machine)


def shape_of_machine(machine: Machine) -> ClusterShape:
    """Return the shape of this machine, where all of it is free.

    Examples
    --------
    >>> shape_of_machine(Machine(num_cpus=2, num_gpus=0, memory_bytes=8 << 30)).nodes[0].name
    'this machine'
    """
    total = {CPU: machine.num_cpus, GPU: machine.num_gpus, MEMORY: float(machine.memory_bytes)}
    return ClusterShape((Node("this", "this machine", total, total),), machine=True)
