"""Notices that appliers take more memory than there is for each, and says what to do. Pure."""

from __future__ import annotations

from geneva.jobs.commands import Warn
from geneva.jobs.limits import Limits
from geneva.jobs.wording import size
from geneva.resources.memory import suggested_memory, workers_in_memory


class MemoryWatch:
    """Warns once in a run.

    Parameters
    ----------
    target : str
        Table and column.
    limits : Limits
        What each applier, and all of them together, may take.

    Examples
    --------
    >>> limits = Limits(max_workers=4, applier_bytes=1 << 30, memory_bytes=4 << 30)
    >>> watch = MemoryWatch("docs.words", limits)
    >>> watch.record(900 << 20)
    []
    >>> [warning] = watch.record(2 << 30)
    >>> print(warning.text)  # doctest: +NORMALIZE_WHITESPACE
    Backfill of docs.words: an applier took 2.0 GiB, and each of 4 may take 1.0 GiB. At most 2 run
    at once now. With memory=2617245696 on the function, as many run as there is memory for.
    >>> watch.record(3 << 30)
    []
    """

    def __init__(self, target: str, limits: Limits) -> None:
        self._target = target
        self._limits = limits
        self._warned = False

    def record(self, peak_bytes: int) -> list[Warn]:
        """Take in the most memory that an applier has held at once."""
        limits = self._limits
        if self._warned or not 0 < limits.applier_bytes < peak_bytes:
            return []
        self._warned = True
        each = (limits.max_workers, limits.applier_bytes, limits.memory_bytes)
        return [Warn(memory_shortage(self._target, peak_bytes, "", *each))]


def memory_shortage(
    target: str, peak_bytes: int, when: str, workers: int, applier_bytes: int, memory_bytes: int
) -> str:
    """Say that an applier took more than each of them may take, what follows, and what to do.

    Parameters
    ----------
    target
        Table and column.
    peak_bytes
        What it took.
    when
        When that was, if not now: " in an earlier job".
    workers, applier_bytes, memory_bytes
        How many there may be, what each may take, and all together; 0 where they do not share one
        machine.
    """
    fit = workers_in_memory(workers, memory_bytes, peak_bytes)
    consequence = (
        "Those on one node may use up its memory"
        if not memory_bytes
        else "One applier alone may use up the machine's memory"
        if peak_bytes > memory_bytes
        else f"At most {fit} run at once now"
    )
    return (
        f"Backfill of {target}: an applier took {size(peak_bytes)}{when}, and each of {workers} "
        f"may take {size(applier_bytes)}. {consequence}. With memory={suggested_memory(peak_bytes)}"
        " on the function, as many run as there is memory for."
    )
