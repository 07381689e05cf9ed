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
        fit = workers_in_memory(limits.max_workers, limits.memory_bytes, peak_bytes)
        consequence = (
            "Those on one node may use up its memory"
            if not limits.memory_bytes
            else "One applier alone may use up the machine's memory"
            if peak_bytes > limits.memory_bytes
            else f"At most {fit} run at once now"
        )
        return [
            Warn(
                f"Backfill of {self._target}: an applier took {size(peak_bytes)}, and each "
                f"of {limits.max_workers} may take {size(limits.applier_bytes)}. {consequence}. "
                f"With memory={suggested_memory(peak_bytes)} on the function, as many run as there "
                "is memory for."
            )
        ]
