"""What both commands share: options, the checked environment, a working folder, the machine."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from benchmarks.environment import (
    compile_own_sources,
    describe_machine,
    load_average,
    require_bytecode,
)
from benchmarks.errors import BenchmarkError
from benchmarks.runs import CaseResult, RunSettings, run_case

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.cases import Case

BUILD = Path(__file__).parent.parent / "build" / "bench"
RESULTS = Path(__file__).with_name("results")
BUSY_LOAD = 0.5
TABLE_WIDTH = 150


@dataclass(frozen=True)
class Session:
    """Everything that one command measured.

    Attributes
    ----------
    machine
        The machine, the versions, and its load before and after.
    results
        The cases that were measured.
    failure
        What stopped the measuring, if anything did.
    """

    machine: dict[str, Any]
    results: list[CaseResult]
    failure: BenchmarkError | None


def new_parser(prog: str, description: str, *, runs: int, warmup: int) -> argparse.ArgumentParser:
    """Make a parser of the options that both commands have, with their defaults."""
    parser = argparse.ArgumentParser(
        prog=prog,
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--runs", type=int, default=runs, help="measured runs (%(default)s)")
    parser.add_argument("--warmup", type=int, default=warmup, help="runs before (%(default)s)")
    parser.add_argument("--workdir", type=Path, help="keep tables here (a temporary folder)")
    parser.add_argument("--json", type=Path, help="results file")
    parser.add_argument("--scale", type=float, default=1.0, help="multiply the numbers of rows")
    parser.add_argument("--only-floor", action="store_true", help="leave geneva out")
    return parser


def new_console() -> Console:
    """Make a console that is wide enough for the tables even where the output is a file."""
    return Console(width=max(TABLE_WIDTH, Console().width), highlight=False)


def measure_cases(
    cases: Sequence[Case], arguments: argparse.Namespace, console: Console
) -> Session:
    """Measure cases one after another; the first failure ends it and is part of the result.

    Raises
    ------
    UncompiledError
        Before anything is measured, if the installed packages have no bytecode.
    """
    require_bytecode()
    compile_own_sources()
    machine = describe_machine()
    load_before = load_average()
    if load_before > BUSY_LOAD:
        console.print(f"The machine is busy (load {load_before}): expect wide ranges.")
    results: list[CaseResult] = []
    failure = None
    with _working_folder(arguments.workdir) as workdir:
        settings = RunSettings(
            runs=arguments.runs,
            warmup=arguments.warmup,
            workdir=workdir,
            only_floor=arguments.only_floor,
            say=lambda line: console.print(line, markup=False),
        )
        try:
            # What came before a failure stays in the list and is shown.
            results.extend(run_case(case, settings) for case in cases)
        except BenchmarkError as error:
            failure = error
    machine["load_average"] = {"before": load_before, "after": load_average()}
    return Session(machine, results, failure)


@contextlib.contextmanager
def _working_folder(chosen: Path | None) -> Iterator[Path]:
    """Use the given folder and keep it, or make one under build/bench and remove it."""
    if chosen:
        yield chosen.resolve()
        return
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        yield Path(folder)
