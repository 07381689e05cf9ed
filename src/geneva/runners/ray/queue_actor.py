"""The actor that holds what a writer has still to do: references to parts, never rows."""

from __future__ import annotations

import queue

import ray

# The writer asks and the driver puts at the same time.
QUEUE_THREADS = {"put": 1, "take": 1}


class QueueActor:
    """Hands orders to one writer in their order. A writer and its queue are lost together."""

    def __init__(self) -> None:
        self._orders: queue.SimpleQueue[object] = queue.SimpleQueue()

    @ray.method(concurrency_group="put")
    def put(self, order: object) -> None:
        """Add an order."""
        self._orders.put(order)

    @ray.method(concurrency_group="take")
    def take(self, timeout_s: float) -> list[object]:
        """Return the next order, waiting at most so long; an empty list if there is none."""
        try:
            return [self._orders.get(timeout=timeout_s)]
        except queue.Empty:
            return []
