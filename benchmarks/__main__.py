"""Measure the cases against their floors (``python -m benchmarks``)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from benchmarks.cases import Case, define_cases
from benchmarks.errors import BenchmarkError
from benchmarks.report import case_record, table_of, write_json
from benchmarks.session import BUILD, RESULTS, measure_cases, new_console, new_parser

if TYPE_CHECKING:
    import argparse
    from pathlib import Path


def main() -> int:
    """Parse the command line, measure, report; 1 if a run went wrong, not if a goal is missed."""
    parser = new_parser("python -m benchmarks", __doc__ or "", runs=5, warmup=1)
    parser.add_argument("--cases", help="comma-separated, e.g. W1,W4,warm (all)")
    arguments = parser.parse_args()
    console = new_console()
    try:
        cases = chosen_cases(arguments.cases, define_cases(arguments.scale))
        session = measure_cases(cases, arguments, console)
    except BenchmarkError as error:
        console.print(str(error), style="bold red", markup=False)
        return 1
    title = f"{arguments.runs} runs, medians; floor: pylance add_columns in one process"
    if arguments.scale != 1:
        title += f"; SCALE {arguments.scale:g}, the goals do not apply"
    console.print(table_of(session.results, title))
    if session.failure:
        console.print(f"Nothing written: {session.failure}", style="bold red", markup=False)
        return 1
    path = arguments.json or default_results(arguments)
    content = {
        "machine": session.machine,
        "scale": arguments.scale,
        "cases": [case_record(result) for result in session.results],
    }
    write_json(path, content)
    console.print(f"Written to {path}", markup=False)
    return 0


def chosen_cases(names: str | None, cases: tuple[Case, ...]) -> list[Case]:
    """Pick cases by their comma-separated names, in the order given; all if there are none.

    Raises
    ------
    BenchmarkError
        If a name is unknown.
    """
    by_name = {case.name.lower(): case for case in cases}
    wanted = [name.strip().lower() for name in names.split(",")] if names else list(by_name)
    if unknown := [name for name in wanted if name not in by_name]:
        known = ", ".join(case.name for case in cases)
        raise BenchmarkError(f"There is no case {', '.join(unknown)}; the cases are {known}")
    return [by_name[name] for name in wanted]


def default_results(arguments: argparse.Namespace) -> Path:
    """Return where results go: only a whole run at full size replaces the published figures."""
    whole = arguments.scale == 1 and not arguments.cases and not arguments.only_floor
    return RESULTS / "latest.json" if whole else BUILD / "partial.json"


if __name__ == "__main__":
    sys.exit(main())
