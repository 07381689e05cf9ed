"""Run a case: its sides interleaved, every run on a fresh copy and checked afterwards."""

from __future__ import annotations

import os
import shutil
import statistics
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.aside import check_result, provide_table
from benchmarks.errors import WrongResultError
from benchmarks.goals import Verdict, judge
from benchmarks.measure import measure
from benchmarks.tables import PROGRAMS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.cases import Case, Side

Figures = dict[str, float]


@dataclass(frozen=True)
class Summary:
    """One figure over the runs of a side."""

    median: float
    min: float
    max: float
    values: tuple[float, ...]


@dataclass(frozen=True)
class CaseResult:
    """What was measured of a case, each side as a summary per figure.

    The figures are ``wall`` and ``cpu`` in seconds, ``rss_mb``, ``pss_mb``, ``processes``,
    ``after_exit`` and ``sampler_cpu`` in seconds (see `benchmarks.measure.Measurement`), and what a
    program measured itself: ``first_batch``, ``job``, ``idle`` and ``kill_ratio``.
    """

    case: Case
    runs: int
    floor: dict[str, Summary] | None
    ours: dict[str, Summary] | None
    beside: dict[str, Summary] | None

    def ratio(self, figure: str) -> float | None:
        """Our median divided by the floor's."""
        if not self.floor or not self.ours:
            return None
        return self.ours[figure].median / self.floor[figure].median

    def verdicts(self) -> list[Verdict]:
        """Every goal of the case beside what was measured."""
        figures = {name: summary.median for name, summary in (self.ours or {}).items()}
        for figure in ("wall", "cpu"):
            if (ratio := self.ratio(figure)) is not None:
                figures[f"{figure}_ratio"] = ratio
        if "job" in figures and self.beside:
            figures["job_ratio"] = figures["job"] / self.beside["wall"].median
        return [judge(goal, figures) for goal in self.case.goals]


@dataclass(frozen=True)
class RunSettings:
    """How often and where cases run.

    Attributes
    ----------
    runs, warmup
        Measured runs of each side, and runs before them that are not counted.
    workdir
        Holds the generated tables, the fresh copies and the logs.
    only_floor
        Leave our side out.
    say
        Receives one line after every run.
    timeout_s
        Seconds after which a run is given up.
    """

    runs: int
    warmup: int
    workdir: Path
    only_floor: bool
    say: Callable[[str], None]
    timeout_s: float = 600.0


def run_case(case: Case, settings: RunSettings) -> CaseResult:
    """Measure a case, floor and ours in turn, so that a slow minute of the machine hits both."""
    sides = {"floor": case.floor, "ours": case.ours, "beside": case.beside}
    if settings.only_floor:
        del sides["ours"]
    measured: dict[str, list[Figures]] = {}
    for turn in range(settings.warmup + settings.runs):
        number = turn - settings.warmup + 1
        for label, side in sides.items():
            if side is None or (side.once and number != 1):
                continue
            figures = _run_once(case, label, side, settings)
            counted = f"run {number}" if number > 0 else "warm-up"
            settings.say(f"{case.name} {label:6} {counted:8} {figures['wall']:8.3f} s")
            if number > 0:
                measured.setdefault(label, []).append(figures)
    summaries = {label: _summarise(runs) for label, runs in measured.items()}
    return CaseResult(
        case,
        settings.runs,
        summaries.get("floor"),
        summaries.get("ours"),
        summaries.get("beside"),
    )


def _run_once(case: Case, label: str, side: Side, settings: RunSettings) -> Figures:
    """Copy the table, measure the program on the copy, and check what it wrote."""
    source = provide_table(side.table, settings.workdir / "tables")
    copy = settings.workdir / "runs" / f"{case.name}-{label}".replace(" ", "-")
    marks = copy.with_suffix(".marks")
    shutil.rmtree(copy, ignore_errors=True)
    marks.unlink(missing_ok=True)
    shutil.copytree(source, copy)
    # Otherwise the kernel writes the copy back while the program runs.
    os.sync()
    measurement = measure(
        [sys.executable, str(PROGRAMS / side.program), str(copy), *side.arguments],
        log=copy.with_suffix(".log"),
        cwd=copy,
        env={"BENCH_MARKS": str(marks)},
        timeout_s=settings.timeout_s,
    )
    check_result(copy, case, side)
    figures = {name: value for name, value in vars(measurement).items() if value is not None}
    if marks.exists():
        figures |= figures_of(marks.read_text())
    shutil.rmtree(copy)
    return figures


def figures_of(marks: str) -> Figures:
    r"""Return what a program measured itself, by name.

    The moments ``called`` and ``applied`` become the seconds from the call to the earliest row.

    Examples
    --------
    >>> figures_of("called 10.0\napplied 10.5\napplied 10.25\n")
    {'first_batch': 0.25}
    >>> figures_of("job 1.5\n")
    {'job': 1.5}
    """
    found: Figures = {}
    for line in marks.splitlines():
        name, value = line.split()
        found[name] = min(float(value), found.get(name, float("inf")))
    moments = {name: found.pop(name) for name in ("called", "applied") if name in found}
    if len(moments) == 2:
        return found | {"first_batch": moments["applied"] - moments["called"]}
    if moments or not found:
        raise WrongResultError(f"Expected marks 'called' and 'applied', found {sorted(moments)}")
    return found


def _summarise(runs: list[Figures]) -> dict[str, Summary]:
    summaries = {}
    for name in runs[0]:
        values = tuple(run[name] for run in runs)
        summaries[name] = Summary(statistics.median(values), min(values), max(values), values)
    return summaries
