"""Decide how many workers a job deserves: a process must save more time than it costs.

Starting a process costs a few tenths of a second of one core. A job that is done before that
needs one worker; a job of hours deserves all that it may have, at once. Until the first rows are
measured, the least that reading and calling Python can cost is assumed; from then on, what was
measured counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# The least that rows and bytes cost, whatever the function does.
_SECONDS_PER_ROW = 1e-6
_SECONDS_PER_BYTE = 1 / 100e6

# A task is worth splitting when a second worker saves at least this much.
_SPLIT_WORTH_S = 0.2
_SECONDS_PER_BYTE_REWRITTEN = 1 / 100e6

_SECONDS_PER_PART = 0.05
_LEAST_AT_RISK_S = 0.5


@dataclass(frozen=True, slots=True)
class Workload:
    """What is left to do and how fast it goes.

    Attributes
    ----------
    rows_left : int
        Rows not computed yet.
    known_bytes : int
        Bytes of the job to read, at most, and to write, as far as types tell.
    rows_measured : int
        Rows of which the time is known. A worker's first report is not among them: opening files
        and first calls are no measure of a row.
    busy_s : float
        Seconds that workers took for these, summed over workers.
    rows_in_flight : int
        Rows that are being computed and not reported yet; at least one batch per busy worker.
    in_flight_s : float
        Seconds that they have been computed for, summed over workers.
    patience_s : float
        How long a worker's first rows may take before that says anything about the function.
    """

    rows_left: int
    known_bytes: int
    rows_measured: int = 0
    busy_s: float = 0.0
    rows_in_flight: int = 0
    in_flight_s: float = 0.0
    patience_s: float = 0.2


def seconds_left(load: Workload) -> float:
    """Estimate how long one worker would still need.

    Examples
    --------
    >>> seconds_left(Workload(rows_left=1_000, known_bytes=0, rows_measured=100, busy_s=2.0))
    20.0
    """
    if load.rows_measured:
        return load.rows_left * load.busy_s / load.rows_measured
    floor = load.rows_left * _SECONDS_PER_ROW + load.known_bytes * _SECONDS_PER_BYTE
    if load.rows_in_flight == 0 or load.in_flight_s < load.patience_s:
        return floor
    # Nothing was reported in all this time, so a row takes at least this long.
    return max(floor, load.rows_left * load.in_flight_s / load.rows_in_flight)


def workers_wanted(load: Workload, startup_s: float, most: int) -> int:
    """Return how many workers to have, from 1 to ``most``.

    Parameters
    ----------
    load
        What is left to do.
    startup_s
        Seconds until a new worker computes its first row, ``setup()`` included.
    most
        Granted concurrency.

    Examples
    --------
    >>> workers_wanted(Workload(rows_left=100_000, known_bytes=0), startup_s=0.4, most=8)
    1
    >>> workers_wanted(Workload(rows_left=10**9, known_bytes=0), startup_s=0.4, most=8)
    8
    """
    worth = int(seconds_left(load) / max(startup_s, 1e-3))
    return max(1, min(most, worth))


def writers_wanted(*, appliers: int, fragments: int) -> int:
    """Return how many writers to have where they are processes of their own.

    One for each applier at most, as the guide has it, and their places are reserved all the time;
    but only those run that have something to do.

    Parameters
    ----------
    appliers
        Workers that compute.
    fragments
        Fragments that are being written, wait for it, or will in a moment.

    Examples
    --------
    >>> writers_wanted(appliers=4, fragments=0), writers_wanted(appliers=4, fragments=9)
    (0, 4)
    >>> writers_wanted(appliers=0, fragments=3)
    1
    """
    return min(fragments, max(1, appliers))


def checkpoint_every_s(interval_s: float, between_losses_s: float) -> float:
    """Return how many seconds of compute a worker puts at risk where workers are lost.

    The interval at which writing parts costs as much as computing again what was lost, the square
    root of twice the cost of a part times the time between losses (Young, CACM 17, 1974).

    Parameters
    ----------
    interval_s
        What is put at risk at most.
    between_losses_s
        Seconds that a worker computes until it is lost, on average.

    Examples
    --------
    >>> checkpoint_every_s(10.0, between_losses_s=12 * 3600.0), checkpoint_every_s(10.0, 10.0)
    (10.0, 1.0)
    """
    best_s = math.sqrt(2 * _SECONDS_PER_PART * between_losses_s)
    return min(interval_s, max(_LEAST_AT_RISK_S, best_s))


def worth_splitting(rest: Workload, rewritten_bytes: int) -> bool:
    """Say whether half of a task's rest should go to an idle worker.

    Parameters
    ----------
    rest
        What the task has not begun.
    rewritten_bytes
        Size of the fragment's values: those of a split fragment are written as parts first.

    Examples
    --------
    >>> rest = Workload(rows_left=100, known_bytes=0, rows_measured=100, busy_s=1.0)
    >>> worth_splitting(rest, rewritten_bytes=0), worth_splitting(rest, rewritten_bytes=10**9)
    (True, False)
    """
    rewrite_s = rewritten_bytes * _SECONDS_PER_BYTE_REWRITTEN
    return seconds_left(rest) / 2 > _SPLIT_WORTH_S + rewrite_s
