"""From a sample to a whole job: how long, how much memory, how much output. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist, fmean, stdev

from geneva.jobs.measures import amount, duration
from geneva.jobs.preview import Preview
from geneva.jobs.wording import counted

LEVEL = 0.9
# What a job's first batch has, if the function does not say another number.
_FIRST_BATCH_ROWS = 32


@dataclass(frozen=True, slots=True)
class Interval:
    """A value that is estimated, and between what it lies with a probability of 90 %.

    Attributes
    ----------
    value, low, high : float
        The estimate and the bounds.
    """

    value: float
    low: float
    high: float

    def scaled(self, factor: float, plus: float = 0.0) -> Interval:
        """Return the interval times a factor, moved by a constant.

        Examples
        --------
        >>> Interval(2.0, 1.0, 4.0).scaled(10, plus=1)
        Interval(value=21.0, low=11.0, high=41.0)
        """
        return Interval(*(x * factor + plus for x in (self.value, self.low, self.high)))


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a job is expected to take, from a sample of its rows.

    Attributes
    ----------
    sampled, failed : int
        Rows that were computed, and rows that could not be.
    appliers : int
        Appliers that the duration counts on: those that are granted now.
    duration_s : Interval or None
        Seconds from the start of a worker to the last row, without reading and writing; None if too
        few rows were computed.
    peak_memory_bytes : Interval or None
        Most memory of one applier's process; None if it was not measured.
    output_bytes : Interval or None
        Bytes of all values in memory; a file is mostly smaller.
    seconds_per_row, setup_s, start_s : float
        What the duration is made of.
    notes : tuple of str
        What else there is to know.
    """

    sampled: int
    failed: int
    appliers: int
    duration_s: Interval | None = None
    peak_memory_bytes: Interval | None = None
    output_bytes: Interval | None = None
    seconds_per_row: float = 0.0
    setup_s: float = 0.0
    start_s: float = 0.0
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return the lines that a plan shows."""
        by = f"with {counted(self.appliers, 'applier')}, of {duration(self.setup_s)} for setup"
        rows = counted(self.sampled, "row")
        return [
            f"  estimate          from {rows}; 9 of 10 jobs lie between the bounds in brackets",
            *_line("duration", self.duration_s, duration, by),
            *_line("memory", self.peak_memory_bytes, amount, "per applier"),
            *_line("output", self.output_bytes, amount, "in memory"),
            *(f"    note            {note}" for note in self.notes),
        ]

    def as_dict(self) -> dict[str, object]:
        """Return the estimate as JSON can hold it."""
        return {"level": LEVEL, **asdict(self)}


def _line(
    name: str, interval: Interval | None, word: Callable[[float], str], tail: str
) -> list[str]:
    if interval is None:
        return []
    value, low, high = (word(x) for x in (interval.value, interval.low, interval.high))
    between = "" if low == high else f" ({low} to {high})"
    return [f"    {name:<14}  {value}{between} {tail}"]


def student_t(probability: float, freedom: int) -> float:
    """Return a quantile of Student's t distribution.

    Exact for one and two degrees of freedom. Beyond that the expansion around the normal quantile
    (Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.5), whose error is below 0.02
    for probabilities up to 0.975.

    Examples
    --------
    >>> [round(student_t(0.95, freedom), 2) for freedom in (1, 2, 5, 30)]
    [6.31, 2.92, 2.01, 1.7]
    """
    if freedom == 1:
        return math.tan(math.pi * (probability - 0.5))
    if freedom == 2:
        return (2 * probability - 1) * math.sqrt(2 / (4 * probability * (1 - probability)))
    z = NormalDist().inv_cdf(probability)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160,
    )
    return sum((term / float(freedom) ** power for power, term in enumerate(terms)), 0.0)


def total(sample: Sequence[float], number: float, level: float = LEVEL) -> Interval | None:
    r"""Estimate the sum of ``number`` further values like those of a sample.

    The prediction interval for the mean of m new values after n seen ones,
    :math:`\bar{x} \pm t_{n-1} s \sqrt{1/n + 1/m}`, times m (Hahn and Meeker, Statistical Intervals,
    section 4.7). It is exact for normal values, and close for others when n is 30 or more; with few
    values of a long tail it is too narrow.

    Parameters
    ----------
    sample
        What was seen.
    number
        How many values the sum has.
    level
        Probability that the sum lies within the bounds.

    Returns
    -------
    Interval or None
        Its lower bound is never below 0. None for fewer than two values, unless nothing else can
        come.

    Examples
    --------
    >>> total([1.0, 2.0, 3.0], 100).value
    200.0
    >>> total([8.0, 8.0], 100)
    Interval(value=800.0, low=800.0, high=800.0)
    """
    if len(sample) < 2 or number <= 0:
        return None
    mean = fmean(sample)
    spread = stdev(sample) * math.sqrt(1 / len(sample) + 1 / number)
    margin = student_t(0.5 + level / 2, len(sample) - 1) * spread
    return Interval(mean * number, max(0.0, mean - margin) * number, (mean + margin) * number)


def largest(sample: Sequence[float], level: float = LEVEL) -> Interval:
    r"""Estimate the largest value that comes, from a few that were seen.

    From the mean, through the largest seen, to the bound that one more value stays below with this
    probability, :math:`\bar{x} + t_{n-1} s \sqrt{1 + 1/n}` (Hahn and Meeker, section 4.6), if that
    is higher.

    Examples
    --------
    >>> largest([4.0, 4.0, 4.0])
    Interval(value=4.0, low=4.0, high=4.0)
    """
    mean, most = fmean(sample), max(sample)
    high = most
    if len(sample) > 1:
        margin = student_t(level, len(sample) - 1) * math.sqrt(1 + 1 / len(sample))
        high = max(most, mean + margin * stdev(sample))
    return Interval(most, mean, high)


def estimate(
    seen: Preview,
    *,
    rows: int,
    appliers: int,
    batch_rows: int | None = None,
    known_peak_bytes: int = 0,
    output_bytes: int = 0,
) -> Estimate:
    """Estimate a job from a preview.

    The first call is left out of the speed, because it often loads something; what it took longer
    counts like ``setup()``.

    Parameters
    ----------
    seen
        The preview.
    rows
        Rows that the job computes.
    appliers
        How many compute at the same time.
    batch_rows
        Rows of a job's batches, if they are known.
    known_peak_bytes
        What an applier took in an earlier job; 0 if unknown. It counts more than the sample.
    output_bytes
        Size of all values where their type says it; 0 if it does not.
    """
    calls, computed = seen.calls, sum(call.rows for call in seen.calls)
    failed = sum(row.status not in ("computed", "not tried") for row in seen.rows)
    made = Estimate(computed, failed, appliers, start_s=seen.start_s, notes=_notes(seen, failed))
    if not calls:
        return made
    rates = [call.seconds / call.rows for call in calls]
    steady = rates[1:] if len(rates) > 2 else rates
    rows_per_call = computed / len(calls)
    warm_up_s = max(0.0, rates[0] - fmean(steady)) * calls[0].rows
    setup_s = seen.setup_s + warm_up_s
    if seen.together_s is not None:
        # What is around each single call does not count for a job, which has large batches.
        factor = seen.together_s / fmean(steady)
        steady = [rate * factor for rate in steady]
    # A rate is of a call, so the job's calls are what varies.
    work = total(steady, rows / rows_per_call)
    plus_s = setup_s + seen.start_s
    return Estimate(
        sampled=computed,
        failed=failed,
        appliers=appliers,
        duration_s=work and work.scaled(rows_per_call / appliers, plus_s),
        peak_memory_bytes=_memory(seen, batch_rows or _FIRST_BATCH_ROWS, rows, known_peak_bytes),
        output_bytes=_output(rows, output_bytes, seen),
        seconds_per_row=fmean(steady),
        setup_s=setup_s,
        start_s=seen.start_s,
        notes=made.notes,
    )


def _notes(seen: Preview, failed: int) -> tuple[str, ...]:
    if not failed:
        return seen.notes
    first = next(row for row in seen.rows if row.error is not None)
    why = f"row {first.row_id}: {' '.join(str(first.error).split())}"
    return (f"{counted(failed, 'row')} of the sample could not be computed; {why}", *seen.notes)


def _memory(seen: Preview, batch_rows: int, rows: int, known_bytes: int) -> Interval | None:
    used = [call.memory_bytes for call in seen.calls if call.memory_bytes is not None]
    if not used:
        return Interval(known_bytes, known_bytes, known_bytes) if known_bytes else None
    computed = sum(call.rows for call in seen.calls)
    io_bytes = (seen.input_values.nbytes / max(1, len(seen.rows))) + (
        sum(call.output_bytes for call in seen.calls) / computed
    )
    in_call = largest([float(number) for number in used])
    most = in_call.scaled(1.0, seen.ready_bytes + io_bytes * min(batch_rows, rows))
    peak = float(seen.peak_memory_bytes)
    most = Interval(max(most.value, peak), max(min(most.low, peak), 0.0), max(most.high, peak))
    if known_bytes:
        low, high = min(most.low, known_bytes), max(most.high, known_bytes)
        return Interval(known_bytes, low, high)
    return most


def _output(rows: int, fixed: int, seen: Preview) -> Interval | None:
    if fixed:
        return Interval(fixed, fixed, fixed)
    sizes = [float(row.output_bytes) for row in seen.rows if row.status == "computed"]
    found = total(sizes, rows)
    # One value alone has offsets of its own; those of many are shared.
    alone = sum(sizes)
    together = seen.output_values.nbytes
    return found and found.scaled(together / alone if alone else 1.0)
