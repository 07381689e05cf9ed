"""What the cluster's autoscaler refuses and starts, asked once a second by a job that waits."""

from __future__ import annotations

import time

from geneva.resources.pending import StartingNodes
from geneva.runners.ray.private import Autoscaling, read_autoscaling

_ASK_S = 1.0
# So long after a node was started Ray's view of the cluster may still be without it.
_SETTLED_S = 10.0


class AutoscalerWatch:
    """Remembers what the autoscaler said last, and since when it starts nodes of which type."""

    def __init__(self) -> None:
        self._last = Autoscaling(set(), {}, {})
        self._since_s: dict[str, float] = {}
        self._asked_s = -1e9
        self._started_s = -1e9

    def refused(self) -> set[str]:
        """Return the ids of waiting placement groups that no node of its types holds.

        None while it starts nodes: Ray does not count these, and when no more can be added it
        calls impossible what they are started for.
        """
        self._look()
        settled = time.monotonic() - self._started_s > _SETTLED_S
        return self._last.refused if settled else set()

    def starting(self) -> tuple[StartingNodes, ...]:
        """Return the nodes that it is starting."""
        self._look()
        now_s = time.time()
        return tuple(
            StartingNodes(kind, count, max(0.0, now_s - self._since_s[kind]))
            for kind, count in sorted(self._last.starting.items())
        )

    def _look(self) -> None:
        if time.monotonic() - self._asked_s < _ASK_S:
            return
        self._asked_s = time.monotonic()
        self._last = read_autoscaling()
        if self._last.starting:
            self._started_s = self._asked_s
        now_s = time.time()
        # Ray says it only until there is a machine; that is no reason to begin at 0 again.
        self._since_s = {
            kind: min(self._last.since_s.get(kind, now_s), self._since_s.get(kind, now_s))
            for kind in self._last.starting
        }
