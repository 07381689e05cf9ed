"""Measure cost per row over many sizes of a table (``python -m benchmarks.curve``).

Word count from 100k to 10M rows in 8 fragments, and on 1M rows in 1 to 1,000 fragments. The fixed
cost, which is what a table of one row takes, is shown and subtracted; what is left should be flat.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rich.table import Table

from benchmarks.cases import Case, word_count_case
from benchmarks.errors import BenchmarkError
from benchmarks.report import rounded, write_json
from benchmarks.session import BUILD, RESULTS, measure_cases, new_console, new_parser
from benchmarks.tables import TableSpec

if TYPE_CHECKING:
    from benchmarks.runs import CaseResult, Summary

FIXED = TableSpec("docs", 1, 1)
SIZES = [(100_000, 8), (1_000_000, 8), (10_000_000, 8)]
SPLITS = [(1_000_000, 1), (1_000_000, 10), (1_000_000, 100), (1_000_000, 1000)]


def main() -> int:
    """Parse the command line, measure, report; 1 if a run went wrong."""
    parser = new_parser("python -m benchmarks.curve", __doc__ or "", runs=3, warmup=0)
    arguments = parser.parse_args()
    console = new_console()
    try:
        session = measure_cases(curve_cases(arguments.scale), arguments, console)
    except BenchmarkError as error:
        console.print(str(error), style="bold red", markup=False)
        return 1
    points = curve_points(session.results)
    console.print(_table_of(points, f"word count, {arguments.runs} runs, medians"))
    if session.failure:
        console.print(f"Nothing written: {session.failure}", style="bold red", markup=False)
        return 1
    whole = arguments.scale == 1 and not arguments.only_floor
    path = arguments.json or (RESULTS / "curve.json" if whole else BUILD / "partial-curve.json")
    content = {"machine": session.machine, "scale": arguments.scale, "points": points}
    write_json(path, rounded(content))
    console.print(f"Written to {path}", markup=False)
    return 0


def curve_cases(scale: float) -> list[Case]:
    """Make one case per point; the first is the table of one row."""
    sizes = [
        TableSpec("docs", max(1, int(rows * scale) // fragments) * fragments, fragments)
        for rows, fragments in SIZES + SPLITS
    ]
    return [
        word_count_case(f"{spec.rows:,} rows x {spec.fragments}", "word count", spec)
        for spec in (FIXED, *sizes)
    ]


def curve_points(results: list[CaseResult]) -> list[dict[str, Any]]:
    """Compute the cost per row of every side of every point.

    Parameters
    ----------
    results
        What the cases of `curve_cases` measured, in their order.
    """
    points = []
    for result in results:
        spec = result.case.ours.table
        point: dict[str, Any] = {"rows": spec.rows, "fragments": spec.fragments}
        if result.floor and results[0].floor:
            point["floor"] = _costs(result.floor, results[0].floor, spec.rows)
        if result.ours and results[0].ours:
            point["ours"] = _costs(result.ours, results[0].ours, spec.rows)
        points.append(point)
    return points


def _costs(side: dict[str, Summary], fixed: dict[str, Summary], rows: int) -> dict[str, float]:
    """Return seconds, and microseconds per row with and without the fixed cost."""
    costs: dict[str, float] = {}
    for figure in ("wall", "cpu"):
        seconds = side[figure].median
        costs[figure] = seconds
        costs[f"{figure}_min"] = side[figure].min
        costs[f"{figure}_max"] = side[figure].max
        costs[f"{figure}_us_per_row"] = seconds / rows * 1e6
        costs[f"{figure}_us_per_row_net"] = (seconds - fixed[figure].median) / rows * 1e6
    costs["rss_mb"] = side["rss_mb"].median
    return costs


def _table_of(points: list[dict[str, Any]], title: str) -> Table:
    table = Table(title=title, title_justify="left")
    headings = ("rows", "fragments", "side", "wall s", "us/row", "net", "CPU s", "us/row", "net")
    for heading in (*headings, "RSS MB"):
        table.add_column(heading, justify="left" if heading == "side" else "right")
    for point in points:
        for label in ("floor", "ours"):
            if costs := point.get(label):
                table.add_row(
                    f"{point['rows']:,}",
                    f"{point['fragments']:,}",
                    label,
                    *(
                        f"{costs[f'{figure}{suffix}']:,.2f}"
                        for figure in ("wall", "cpu")
                        for suffix in ("", "_us_per_row", "_us_per_row_net")
                    ),
                    f"{costs['rss_mb']:.0f}",
                )
        table.add_section()
    return table


if __name__ == "__main__":
    sys.exit(main())
