"""Nodes that do not answer: found by asking them, long before Ray's head gives them up."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from geneva.runners.ray.private import ClusterNodes, node_answers

# Every worker is heard of each five seconds. A function may hold the interpreter lock longer, so
# silence alone says nothing; its node is asked.
_SILENT_S = 10.0
_ASK_S = 4.0
# The driver waits up to three seconds for each answer.
_ASK_AGAIN_S = 30.0
_FAILURES = 2


@dataclass(slots=True)
class SuspectNodes:
    """Nodes that did not answer.

    Examples
    --------
    >>> clock = iter([0.0, 5.0, 10.0])
    >>> suspects = SuspectNodes(answers=lambda node: False, now=lambda: next(clock))
    >>> [suspects.silent("n1", 12.0) for _ in range(3)]
    [False, True, True]
    """

    answers: Callable[[str], bool] = node_answers
    now: Callable[[], float] = time.monotonic
    _failures: dict[str, int] = field(default_factory=dict)
    _asked_s: dict[str, float] = field(default_factory=dict)

    def silent(self, node_id: str, silent_s: float) -> bool:
        """Say whether a node is gone, given how long one of its workers has been silent."""
        if silent_s >= _SILENT_S:
            self._ask(node_id, _ASK_S)
        return self._failures.get(node_id, 0) >= _FAILURES

    def without(self, nodes: ClusterNodes) -> ClusterNodes:
        """Leave out the nodes that are gone; one that answers again is back."""
        gone = {node for node, failures in self._failures.items() if failures >= _FAILURES}
        for node_id in gone & {node.node_id for node in nodes.usable}:
            self._ask(node_id, _ASK_AGAIN_S)
        if not gone:
            return nodes
        usable = tuple(node for node in nodes.usable if node.node_id not in gone)
        return replace(nodes, usable=usable)

    def _ask(self, node_id: str, every_s: float) -> None:
        now_s = self.now()
        if now_s - self._asked_s.get(node_id, now_s - every_s) < every_s:
            return
        self._asked_s[node_id] = now_s
        if self.answers(node_id):
            self._failures.pop(node_id, None)
        else:
            self._failures[node_id] = self._failures.get(node_id, 0) + 1
