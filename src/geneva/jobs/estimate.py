"""From a sample to a whole job: how long, how much memory, how much output. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from statistics import fmean

from geneva.jobs.intervals import LEVEL, Interval, largest, total
from geneva.jobs.measures import amount, duration
from geneva.jobs.preview import Preview
from geneva.jobs.wording import counted

_MIB = float(1 << 20)
# Measured on a local disk: bytes per second that are read and written, as expected and at worst.
_READ_PER_S = (400 * _MIB, 100 * _MIB)
_WRITTEN_PER_S = (100 * _MIB, 50 * _MIB)
# What a worker takes on top of the function: to read and write at all, and for values that wait to
# be written, each several times at worst.
_JOB_BYTES = 32 * _MIB
_WAITING_BYTES = (64 * _MIB, 256 * _MIB)
_COPIES = 3


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
        Seconds; None if fewer than two calls were seen. Between low and high lies also what reading
        and writing may take, from what a local disk does.
    peak_memory_bytes : Interval or None
        Most memory of one applier's process, with what a job takes on top of the function; None if
        it was not measured.
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

    def with_appliers(self, appliers: int) -> Estimate:
        """Return the estimate for another number of appliers at the same time.

        Examples
        --------
        >>> made = Estimate(8, 0, 2, duration_s=Interval(11.0, 9.0, 13.0), setup_s=1.0)
        >>> made.with_appliers(4).duration_s
        Interval(value=6.0, low=5.0, high=7.0)
        """
        once_s = self.setup_s + self.start_s
        factor = self.appliers / appliers
        shared = self.duration_s and self.duration_s.scaled(factor, once_s * (1 - factor))
        return replace(self, appliers=appliers, duration_s=shared)

    def lines(self) -> list[str]:
        """Return the lines that a plan shows."""
        by = f"with {counted(self.appliers, 'applier')}, {duration(self.setup_s)} of it for setup"
        rows = counted(self.sampled, "row")
        return [
            f"  estimate          from {rows}; 9 of 10 jobs lie between the bounds in brackets",
            *_line("duration", self.duration_s, duration, by),
            *_line("memory", self.peak_memory_bytes, amount, "per applier"),
            *_line("output", self.output_bytes, amount, "in memory"),
            *(f"    note            {note}" for note in self.notes),
        ]

    def _repr_html_(self) -> str:
        from geneva.jobs.shown.plan import estimate_html

        return estimate_html(self)

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


@dataclass(frozen=True, slots=True)
class Work:
    """What a job has to do.

    Attributes
    ----------
    rows, appliers : int
        Rows to compute, and how many compute at the same time.
    batch_rows : int
        Most rows of its batches.
    input_bytes : int
        Bytes to read.
    output_bytes : int
        Size of all values where their type says it; 0 if it does not.
    known_peak_bytes : int
        What an applier took in an earlier job; 0 if unknown. It counts more than the sample.
    """

    rows: int
    appliers: int
    batch_rows: int
    input_bytes: int = 0
    output_bytes: int = 0
    known_peak_bytes: int = 0


def estimate(seen: Preview, work: Work) -> Estimate:
    """Estimate a job from a preview.

    The first call is left out of the speed, because it often loads something; what it took longer
    counts like ``setup()``.

    Parameters
    ----------
    seen
        The preview.
    work
        What the job has to do.
    """
    failed = sum(row.status not in ("computed", "not tried") for row in seen.rows)
    computed = sum(call.rows for call in seen.calls)
    made = Estimate(computed, failed, work.appliers, notes=_notes(seen, failed))
    if not computed:
        return made
    rates, warm_up_s = steady_rates(seen)
    rows_per_call = computed / len(seen.calls)
    # A rate is of a call, so the job's calls are what varies.
    calls = total(rates, work.rows / rows_per_call)
    setup_s = seen.setup_s + warm_up_s
    output = _output(seen, work)
    duration_s = None
    if calls is not None:
        alone = calls.scaled(rows_per_call / work.appliers, setup_s + seen.start_s)
        usual_s, worst_s = (_transfer_s(work.input_bytes, output, i) for i in (0, 1))
        duration_s = Interval(
            alone.value + usual_s / work.appliers, alone.low, alone.high + worst_s
        )
    return replace(
        made,
        duration_s=duration_s,
        peak_memory_bytes=_memory(seen, work, output),
        output_bytes=output,
        seconds_per_row=fmean(rates),
        setup_s=setup_s,
        start_s=seen.start_s,
    )


def steady_rates(seen: Preview) -> tuple[list[float], float]:
    """Return seconds per row of each call but the first, and how much longer that one took.

    Examples
    --------
    >>> from geneva.jobs.preview import Call
    >>> calls = tuple(Call(1, seconds, None, 8) for seconds in (1.5, 0.25, 0.75))
    >>> steady_rates(Preview("t", "c", "f", 1, "a worker", (), calls))
    ([0.25, 0.75], 1.0)
    """
    rates = [call.seconds / call.rows for call in seen.calls]
    steady = rates[1:] if len(rates) > 2 else rates
    warm_up_s = max(0.0, rates[0] - fmean(steady)) * seen.calls[0].rows
    if seen.together_s is not None:
        # What is around each single call does not count for a job, which has large batches.
        factor = seen.together_s / fmean(steady)
        steady = [rate * factor for rate in steady]
    return steady, warm_up_s


def _transfer_s(input_bytes: int, output: Interval | None, worst: int) -> float:
    written = 0.0 if output is None else output.high if worst else output.value
    return input_bytes / _READ_PER_S[worst] + written / _WRITTEN_PER_S[worst]


def _notes(seen: Preview, failed: int) -> tuple[str, ...]:
    if not failed:
        return seen.notes
    first = next(row for row in seen.rows if row.error is not None)
    why = f"row {first.row_id}: {' '.join(str(first.error).split())}"
    return (f"{counted(failed, 'row')} of the sample could not be computed; {why}", *seen.notes)


def _memory(seen: Preview, work: Work, output: Interval | None) -> Interval | None:
    """Return what one applier takes: the function, a call, a batch, and what a job has on top."""
    known = float(work.known_peak_bytes)
    at_once = min(work.batch_rows, work.rows)
    measured = [call for call in seen.calls if call.memory_bytes is not None]
    used = [float(call.memory_bytes or 0) for call in measured]
    if seen.takes_batches and len(used) > 2:
        # What a call takes grows with its batch, but not what the first one loads and keeps.
        used = [
            used[0] + call.memory_bytes * at_once / call.rows
            for call in measured[1:]
            if call.memory_bytes is not None
        ]
    if not used:
        return Interval(known, known, known) if known else None
    rows = max(1, len(seen.rows))
    batch = (seen.input_values.nbytes + seen.output_values.nbytes) / rows * at_once
    value, low, high = (seen.ready_bytes + batch + _JOB_BYTES + x for x in _three(largest(used)))
    if output is not None:
        value += min(output.value, _WAITING_BYTES[0])
        high += min(_COPIES * output.high, _WAITING_BYTES[1])
    low = min(low, float(seen.peak_memory_bytes))
    if known:
        return Interval(known, min(low, known), max(high, known))
    return Interval(value, low, high)


def _three(interval: Interval) -> tuple[float, float, float]:
    return interval.value, interval.low, interval.high


def _output(seen: Preview, work: Work) -> Interval | None:
    if work.output_bytes:
        fixed = float(work.output_bytes)
        return Interval(fixed, fixed, fixed)
    sizes = [float(row.output_bytes) for row in seen.rows if row.status == "computed"]
    found = total(sizes, work.rows)
    # One value alone has offsets of its own; those of many are shared.
    alone, together = sum(sizes), float(seen.output_values.nbytes)
    return found and found.scaled(together / alone if alone else 1.0)
