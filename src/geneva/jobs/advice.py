"""Which one setting makes a job faster, by the stage that takes most of its time. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from geneva.jobs.progress import Progress
from geneva.jobs.record import JobRecord
from geneva.jobs.wording import counted

_DOUBLE = 2


@dataclass(frozen=True, slots=True)
class Seen:
    """A job as it is explained: its record, how far it is, and what it was called with."""

    record: JobRecord
    now: Progress
    config: dict[str, Any]

    def said(self, name: str, default: Any) -> Any:
        """Return an argument of the call; where none was given, a default."""
        value = self.config.get(name)
        return default if value is None else value

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the process that began it."""
        settings: dict[str, Any] = self.said("settings", {})
        return settings


def _advice_read(seen: Seen) -> tuple[str, str]:
    size = seen.said("batch_size", None)
    if size is not None:
        return f"batch_size={max(64, _DOUBLE * size)}", f"it is {size}: more is read at once"
    return _more_workers(seen, "their reads overlap")


def _advice_udf(seen: Seen) -> tuple[str, str]:
    now, asked = seen.now, seen.said("concurrency", 8)
    if now.workers_granted < asked and seen.said("num_cpus", 1) > 0.5 and "CPU" in now.granted_why:
        half = seen.said("num_cpus", 1) / 2
        effect = f"it has {now.granted_why}; a function that mostly waits needs less"
        return f"num_cpus={half:g}", effect
    return _more_workers(seen, f"it has {now.granted_why}" if now.granted_why else "more at once")


def _more_workers(seen: Seen, effect: str) -> tuple[str, str]:
    more = _DOUBLE * max(1, seen.now.workers_granted)
    return f"job.set_concurrency({more})", effect


def _advice_checkpoint(seen: Seen) -> tuple[str, str]:
    if seen.said("checkpoint_size", None) is not None:
        rows = seen.said("checkpoint_size", 1)
        return f"checkpoint_size={10 * rows}", f"it is {rows}: fewer, larger parts are written"
    every = seen.said("checkpoint_interval_s", seen.settings.get("checkpoint_interval_s", 10.0))
    effect = f"it is {every:g}: fewer parts are written, and more is at risk"
    return f"checkpoint_interval_seconds={3 * every:g}", effect


def _advice_write(seen: Seen) -> tuple[str, str]:
    return _more_workers(seen, "more column files are written at once")


def _advice_commit(seen: Seen) -> tuple[str, str]:
    every = seen.said("commit_granularity", None)
    if every is None:
        return "", ""
    again = seen.now.commit_retries
    others = f", and others wrote meanwhile {again} times" if again else ""
    return (
        f"commit_granularity={8 * every}",
        f"it commits every {counted(every, 'fragment')}{others}: fewer commits, later seen",
    )


ADVICE: dict[str, Callable[[Seen], tuple[str, str]]] = {
    "read": _advice_read,
    "udf": _advice_udf,
    "checkpoint": _advice_checkpoint,
    "write": _advice_write,
    "commit": _advice_commit,
}
"""By the stage that takes most of the time: the one setting to change, and what that does."""
