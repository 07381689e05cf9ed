"""The actors that a driver starts: an applier, or a writer with its queue."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import ray
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from geneva.jobs.commands import Role
from geneva.jobs.events import LossCause, WorkerLost
from geneva.pipeline.flight_recorder import Verdict
from geneva.resources.footprint import APPLIER_BUNDLE, WRITER_BUNDLE, Footprint
from geneva.runners.ray.deaths import Findings, end_actor, examine
from geneva.runners.ray.names import NAMESPACE, component_name
from geneva.runners.ray.queue_actor import QUEUE_THREADS, QueueActor
from geneva.runners.ray.units import Unit
from geneva.runners.ray.worker_actor import LISTENING_THREADS, Hello, WorkerActor


@dataclass(slots=True)
class Remote:
    """One actor of a job, as its driver sees it.

    Attributes
    ----------
    worker, role, unit
        Which it is, what it does, and where.
    actor, queue : ActorHandle
        The actor, and a writer's queue.
    waiting_for : ObjectRef
        The call that says what it does next.
    started_s, heard_s, unavailable_s : float
        When it was started and heard of last, and since when Ray has not found it.
    hello : Hello or None
        Where it lives, once it is ready.
    busy : int
        Orders that it has not reported on.
    has_function : bool
        Whether it may hold the function, and so has to let go of it.
    verdict : Verdict or None
        Why it is ended, if the driver does so.
    """

    worker: int
    role: Role
    unit: Unit
    actor: Any
    waiting_for: Any
    started_s: float
    queue: Any = None
    hello: Hello | None = None
    busy: int = 0
    has_function: bool = False
    heard_s: float = 0.0
    unavailable_s: float | None = None
    verdict: Verdict | None = None

    def tell(self, order: object) -> None:
        """Give an order; a writer gets all of its through its queue."""
        if self.queue is None:
            self.actor.order.remote(order)
        else:
            self.queue.put.remote(order)

    def end(self) -> None:
        """End the actor, and its queue."""
        for actor in (self.actor, self.queue):
            if actor is not None:
                end_actor(actor)

    @property
    def component(self) -> str:
        """What the user reads for it, with its place."""
        where = "" if self.hello is None else f" on node {self.hello.address}"
        return f"{self.role.value}-{self.worker}{where}"

    def lost(self, cause: LossCause, error: BaseException) -> WorkerLost:
        """Return the event that says that this one is gone, with what its node still knows."""
        found = Findings(words=str(error))
        if self.hello is not None and cause in (LossCause.CRASH, LossCause.OUT_OF_MEMORY):
            found = examine(self.hello)
        verdict = self.verdict or found.verdict or Verdict(cause)
        return WorkerLost(
            self.worker,
            found.exit_code,
            found.words,
            cause=verdict.cause,
            role=self.role,
            component=self.component,
            batch=found.batch,
            memory_bytes=verdict.memory_bytes,
        )


def start_remote(tag: str, footprint: Footprint, unit: Unit, role: Role, worker: int) -> Remote:
    """Start an actor in a reserved unit.

    Parameters
    ----------
    tag
        The run.
    footprint
        What its components ask for.
    unit, role, worker
        Where, as what, and under which number.
    """
    parts = footprint.components
    queue = None
    if role is Role.WRITER:
        asked = {"CPU": parts.writer_cpus, "memory": parts.writer_memory_bytes}
        place = _bundle(unit, WRITER_BUNDLE)
        name = component_name(tag, "queue", worker)
        options = _options(name, {"CPU": parts.queue_cpus}, place)
        queue = ray.remote(concurrency_groups=QUEUE_THREADS)(QueueActor).options(**options).remote()
    else:
        asked = dict(footprint.applier_bundle().resources)
        place = _bundle(unit, APPLIER_BUNDLE)
        if footprint.applier_apart:
            labels = dict(footprint.applier_bundle().labels)
            place = {"label_selector": labels} if labels else {}
    actor = (
        ray.remote(concurrency_groups=LISTENING_THREADS)(WorkerActor)
        .options(**_options(component_name(tag, role.value, worker), asked, place))
        .remote(worker, f"{role.value}-{worker}")
    )
    return Remote(worker, role, unit, actor, actor.hello.remote(queue), time.monotonic(), queue)


def answered(
    remotes: Iterable[Remote], timeout_s: float, idle_s: float
) -> list[tuple[Remote, Any]]:
    """Wait for actors to say something, and return those that do, each with its answer.

    Parameters
    ----------
    remotes
        Who is listened to.
    timeout_s
        Most seconds to wait.
    idle_s
        Most seconds to wait where there is nobody.
    """
    by_reference = {remote.waiting_for: remote for remote in remotes if remote.waiting_for}
    if not by_reference:
        time.sleep(min(timeout_s, idle_s))
        return []
    references = list(by_reference)
    ready, _ = ray.wait(references, num_returns=1, timeout=timeout_s)
    if ready:
        ready, _ = ray.wait(references, num_returns=len(references), timeout=0)
    return [(by_reference[reference], reference) for reference in ready]


def _options(name: str, asked: Mapping[str, float], place: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "namespace": NAMESPACE,
        "max_restarts": 0,
        "max_task_retries": 0,
        "num_cpus": asked.get("CPU", 0),
        "num_gpus": asked.get("GPU", 0),
        "memory": asked.get("memory"),
        "resources": {k: v for k, v in asked.items() if k not in ("CPU", "GPU", "memory")},
        **place,
    }


def _bundle(unit: Unit, index: int) -> dict[str, Any]:
    strategy = PlacementGroupSchedulingStrategy(unit.group, placement_group_bundle_index=index)
    return {"scheduling_strategy": strategy}
