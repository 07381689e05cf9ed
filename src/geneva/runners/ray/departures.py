"""Appliers that let go of their function, which may have a ``teardown()``, and are then ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import ray

from geneva.jobs.events import FunctionLetGo, FunctionPrinted
from geneva.pipeline.envelope import opened
from geneva.pipeline.letting_go import TEARDOWN_S
from geneva.runners.ray.remotes import Remote

# One that ends its teardown() in time must be heard.
_LATE_S = 1.0
_FETCH_S = 5.0


class Departures:
    """The appliers of one job that compute no more and are about to be ended.

    Each is ended when it says that it has let go of its function, or when it has had the time that
    a ``teardown()`` may take. One that is lost meanwhile is missed by nobody.

    Parameters
    ----------
    printed
        Takes what functions print.
    left
        Is told of each that was ended.
    """

    def __init__(
        self, printed: Callable[[str, FunctionPrinted], None], left: Callable[[Remote], None]
    ) -> None:
        self._printed = printed
        self._left = left
        self._until_s: dict[int, float] = {}
        self._rounds: dict[int, str] = {}
        self.remotes: dict[int, Remote] = {}

    def add(self, remote: Remote, round_id: str) -> None:
        """Tell an idle applier of a round to let go of its function."""
        remote.tell(None)
        # It may still say that it did so after an earlier round, and have it again by now.
        self._rounds[remote.worker] = round_id
        self.remotes[remote.worker] = remote
        self._until_s[remote.worker] = time.monotonic() + TEARDOWN_S + _LATE_S

    def hear(self, remote: Remote, reference: Any) -> None:
        """Take in what one said."""
        try:
            said = ray.get(reference)
        except ray.exceptions.RayError:
            self._end(remote)
            return
        for envelope in said:
            event = opened(envelope)
            if isinstance(event, FunctionPrinted):
                self._printed(remote.component, event)
            if (
                isinstance(event, FunctionLetGo)
                and envelope.round_id == self._rounds[remote.worker]
            ):
                self._end(remote)
                return
        remote.waiting_for = remote.actor.events.remote(_FETCH_S)

    def end_late(self) -> None:
        """End those whose ``teardown()`` takes too long."""
        now_s = time.monotonic()
        for worker in [w for w, until_s in self._until_s.items() if until_s <= now_s]:
            remote = self.remotes[worker]
            text = (
                f"Warning: {remote.component} was still letting go of the function after "
                f"{TEARDOWN_S:g} seconds, and was ended. Does its teardown() wait?"
            )
            self._printed(remote.component, FunctionPrinted(worker, "stderr", None, text))
            self._end(remote)

    def drop(self, lost: Callable[[Remote], bool]) -> None:
        """End those whose place is lost."""
        for remote in [remote for remote in self.remotes.values() if lost(remote)]:
            self._end(remote)

    def wait(self) -> None:
        """Wait until all have left."""
        while self.remotes:
            by_reference = {remote.waiting_for: remote for remote in self.remotes.values()}
            left_s = max(0.0, min(self._until_s.values()) - time.monotonic())
            ready, _ = ray.wait(list(by_reference), num_returns=1, timeout=left_s)
            for reference in ready:
                self.hear(by_reference[reference], reference)
            self.end_late()

    def _end(self, remote: Remote) -> None:
        worker = remote.worker
        del self.remotes[worker], self._until_s[worker], self._rounds[worker]
        remote.end()
        self._left(remote)
