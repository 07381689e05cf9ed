"""Run a function on a sample in an actor of its own, with what the function asks for."""

from __future__ import annotations

import os
import queue
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import ray

from geneva.config import settings
from geneva.errors import (
    FatalWorkerCrashError,
    FatalWorkerError,
    FatalWorkerExitError,
    FatalWorkerOOMError,
    ResourcesUnavailableError,
)
from geneva.jobs.preview import Preview, RowFailure
from geneva.jobs.progress import Progress
from geneva.jobs.spec import BackfillArguments, backfill_spec
from geneva.pipeline.admission import footprint_on
from geneva.pipeline.environment import environment_versions
from geneva.pipeline.peak_memory import PeakMemory
from geneva.pipeline.rehearsal import Rehearsal, Step, rehearse
from geneva.pipeline.witness import Witness
from geneva.runners.preview import after_crashes, crashed, death, out_of_time, outcome
from geneva.runners.ray.deaths import end_actor, examine
from geneva.runners.ray.private import error_log_path
from geneva.runners.ray.shape import cluster_shape
from geneva.runners.ray.worker_actor import Hello
from geneva.runners.select import shape_here


class RehearsalActor:
    """Runs one rehearsal; each step waits until the caller has it, so that no crash hides one."""

    def hello(self) -> Hello:
        """Say where this is."""
        address = ray.util.get_node_ip_address()
        # It notes no rows: the caller knows them.
        notes = f"{tempfile.gettempdir()}/geneva-preview-{os.getpid()}"
        node_id = ray.get_runtime_context().get_node_id()
        return Hello(node_id, address, os.getpid(), notes, error_log_path())

    def begin(self, rehearsal: Rehearsal) -> None:
        """Begin to compute, in a thread of its own."""
        self._steps: queue.SimpleQueue[Step] = queue.SimpleQueue()
        self._heard = threading.Semaphore(0)
        place = f"the preview on node {ray.util.get_node_ip_address()}"
        arguments = (rehearsal, self._tell, PeakMemory(), place)
        threading.Thread(target=rehearse, args=arguments, daemon=True).start()

    def step(self, *, first: bool) -> Step:
        """Return the next step; asking for it says that the one before has arrived."""
        if not first:
            self._heard.release()
        return self._steps.get()

    def _tell(self, step: Step) -> None:
        self._steps.put(step)
        self._heard.acquire()


def preview_on_cluster(
    rehearsal: Rehearsal, timeout_s: float, show: Callable[[Progress], None]
) -> Preview:
    """Run a function on a sample on the connected cluster.

    Raises
    ------
    ResourcesUnavailableError
        No node has what the function asks for, within the time that a job waits for it too.
    """
    context = replace(rehearsal.context, versions=environment_versions())
    return _OnCluster(replace(rehearsal, context=context), timeout_s, show).run()


class _OnCluster:
    """An actor of the cluster; another one after each crash."""

    def __init__(
        self, rehearsal: Rehearsal, timeout_s: float, show: Callable[[Progress], None]
    ) -> None:
        self._rehearsal = rehearsal
        self._timeout_s = self._left_s = timeout_s
        self._show = show
        self._start_s: float | None = None
        self._witness = Witness(rehearsal, "an actor of the Ray cluster")

    def run(self) -> Preview:
        after_crashes(self._witness, self._rehearsal, self._crashes)
        return outcome(self._witness, self._start_s or 0.0)

    def _crashes(self, rehearsal: Rehearsal) -> bool:
        """Run in one actor; return whether it crashed and another one is worth it."""
        self._show(self._witness.progress("starting a worker"))
        actor, hello = self._started()
        try:
            self._listen(actor, rehearsal)
        except ray.exceptions.GetTimeoutError:
            out_of_time(self._witness, self._timeout_s)
        except (ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError) as error:
            kind, why = _death(error, hello)
            return crashed(self._witness, why, kind)
        finally:
            end_actor(actor)
        return False

    def _started(self) -> tuple[Any, Hello]:
        began_s = time.monotonic()
        actor = ray.remote(RehearsalActor).options(**_asked(self._rehearsal)).remote()
        limit_s = settings().reserve_timeout_s
        try:
            hello: Hello = ray.get(actor.hello.remote(), timeout=limit_s)
        except ray.exceptions.GetTimeoutError:
            end_actor(actor)
            raise ResourcesUnavailableError(
                f"{self._witness.what}: no node had {_asked(self._rehearsal)} within "
                f"{limit_s:g} s. Run it when other jobs have ended, or with runner='process' on "
                "this machine."
            ) from None
        if self._start_s is None:
            self._start_s = time.monotonic() - began_s
        return actor, hello

    def _listen(self, actor: Any, rehearsal: Rehearsal) -> None:
        deadline_s = time.monotonic() + self._left_s
        actor.begin.remote(rehearsal)
        first = True
        while self._witness.ended is None:
            self._left_s = max(0.0, deadline_s - time.monotonic())
            step = ray.get(actor.step.remote(first=first), timeout=self._left_s)
            first = False
            self._witness.take(step)
            self._show(self._witness.progress())


def _asked(rehearsal: Rehearsal) -> dict[str, Any]:
    """Return what one applier of a job asks for."""
    spec = backfill_spec(rehearsal.context.column, BackfillArguments())
    bundle = footprint_on(spec, cluster_shape() or shape_here()).applier_bundle()
    asked = dict(bundle.resources)
    labels = dict(bundle.labels)
    return {
        "max_restarts": 0,
        "num_cpus": asked.pop("CPU", 0),
        "num_gpus": asked.pop("GPU", 0),
        "memory": asked.pop("memory", None),
        "resources": asked,
        **({"label_selector": labels} if labels else {}),
    }


def _death(error: BaseException, hello: Hello) -> tuple[type[FatalWorkerError], RowFailure]:
    if isinstance(error, ray.exceptions.OutOfMemoryError):
        return FatalWorkerOOMError, RowFailure("OutOfMemoryError", " ".join(str(error).split()))
    found = examine(hello)
    kind, why = death(found.exit_code, found.words)
    if found.exit_code is None:
        # Ray tells no exit code; what it says is all there is.
        why = RowFailure("crash", "the actor is gone", found.words or str(error))
    return (FatalWorkerCrashError if kind is FatalWorkerExitError else kind), why
