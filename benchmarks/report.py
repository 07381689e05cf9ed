"""Results for the eye (a table) and for the record (JSON)."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.goals import Verdict
    from benchmarks.runs import CaseResult, Summary

Side = dict[str, "Summary"]
STYLES = {True: "green", False: "bold red", None: "dim"}


def table_of(results: list[CaseResult], title: str) -> Table:
    """Lay out one row per side of every case: medians, and the range of the wall times."""
    table = Table(title=title, title_justify="left")
    table.add_column("case")
    table.add_column("side")
    for heading in ("wall s", "min-max", "x", "CPU s", "x", "RSS MB", "PSS MB", "procs"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("goals")
    for result in results:
        sides = {"floor": result.floor, "ours": result.ours, "beside": result.beside}
        measured = {label: side for label, side in sides.items() if side}
        for position, (label, side) in enumerate(measured.items()):
            ours = label == "ours"
            table.add_row(
                f"{result.case.name}\n{result.case.what}" if position == 0 else "",
                label,
                *_cells(side, result if ours else None),
                _goals(result.verdicts()) if ours else "",
                end_section=position == len(measured) - 1,
            )
    return table


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a results file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def case_record(result: CaseResult) -> dict[str, Any]:
    """Return one case as it stands in the results file."""
    record: dict[str, Any] = {
        "name": result.case.name,
        "what": result.case.what,
        "runs": result.runs,
        "floor": side_record(result.floor),
        "ours": side_record(result.ours),
        "ratio_wall": result.ratio("wall"),
        "ratio_cpu": result.ratio("cpu"),
        "goals": [asdict(verdict) for verdict in result.verdicts()],
    }
    if result.beside:
        record["beside"] = side_record(result.beside)
    return {key: rounded(value) for key, value in record.items()}


def side_record(side: Side | None) -> dict[str, Any] | None:
    """Return every figure of a side with its median, range and single values."""
    return side and {name: asdict(summary) for name, summary in side.items()}


def rounded(value: Any) -> Any:
    """Keep four decimals of every number: more would be noise."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value


def _cells(side: Side, compared: CaseResult | None) -> list[str]:
    """Format the figures of one side; ratios only where it is compared with a floor."""
    wall, pss = side["wall"], side.get("pss_mb")
    return [
        f"{wall.median:.2f}",
        f"{wall.min:.2f}-{wall.max:.2f}",
        _ratio(compared, "wall"),
        f"{side['cpu'].median:.2f}",
        _ratio(compared, "cpu"),
        f"{side['rss_mb'].median:.0f}",
        f"{pss.median:.0f}" if pss else "-",
        f"{side['processes'].median:.0f}",
    ]


def _ratio(compared: CaseResult | None, figure: str) -> str:
    ratio = compared.ratio(figure) if compared else None
    return "" if ratio is None else f"{ratio:.2f}"


def _goals(verdicts: list[Verdict]) -> Text:
    lines = [Text(str(verdict), style=STYLES[verdict.held]) for verdict in verdicts]
    return Text("\n").join(lines)
