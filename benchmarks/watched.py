"""What it costs that a job can be watched: its record, its progress and its metrics.

``python -m benchmarks.watched``, about three minutes. W2 as a whole process, with everything on
(the record is written, progress is shown where there is no terminal, metrics are served) and with
all of it off, in turns. Other programs disturb the two of a pair alike, so the medians of what
differs in a pair say more than those of each side.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.aside import provide_table
from benchmarks.environment import compile_own_sources, describe_machine, load_average
from benchmarks.errors import MeasurementError
from benchmarks.measure import LAUNCHER
from benchmarks.report import rounded, write_json
from benchmarks.session import BUILD, RESULTS, new_parser
from benchmarks.tables import PROGRAMS, TableSpec

FIGURES = ("wall", "cpu")


def main() -> int:
    """Parse the command line, measure, report."""
    parser = new_parser("python -m benchmarks.watched", __doc__ or "", runs=20, warmup=1)
    arguments = parser.parse_args()
    compile_own_sources()
    spec = TableSpec("docs", max(8, int(2_000_000 * arguments.scale) // 8 * 8), 8)
    machine = describe_machine()
    machine["load_average"] = {"before": load_average()}
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD) as folder:
        home = provide_table(spec, (arguments.workdir or Path(folder)).resolve())
        for _ in range(arguments.warmup):
            _pair(home, Path(folder), on_first=True)
        pairs = [_pair(home, Path(folder), on_first=n % 2 == 0) for n in range(arguments.runs)]
    machine["load_average"]["after"] = load_average()
    found = compared(pairs)
    for figure, numbers in found.items():
        sys.stdout.write(f"{figure}: {json.dumps(rounded(numbers))}\n")
    whole = arguments.scale == 1 and not arguments.json
    path = RESULTS / "watched.json" if whole else arguments.json or BUILD / "partial-watched.json"
    write_json(path, rounded({"machine": machine, "pairs": len(pairs), **found}))
    return 0


def compared(pairs: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, Any]]:
    """Return the medians of both sides, and of what differs in a pair.

    Examples
    --------
    >>> one = {"on": {"wall": 1.02, "cpu": 2.0}, "off": {"wall": 1.0, "cpu": 2.0}}
    >>> compared([one])["wall"]["more_share"]
    0.02
    """
    found = {}
    for figure in FIGURES:
        on, off = ([pair[side][figure] for pair in pairs] for side in ("on", "off"))
        low, more, high = _quartiles([a - b for a, b in zip(on, off, strict=True)])
        found[figure] = {
            "on": statistics.median(on),
            "off": statistics.median(off),
            "on_min": min(on),
            "off_min": min(off),
            "more": more,
            "more_quartiles": [low, high],
            "more_share": round(more / statistics.median(off), 4),
        }
    return found


def _quartiles(values: list[float]) -> list[float]:
    if len(values) == 1:
        return values * 3
    return statistics.quantiles(values, n=4, method="inclusive")


def _pair(home: Path, folder: Path, *, on_first: bool) -> dict[str, dict[str, float]]:
    sides = ("on", "off") if on_first else ("off", "on")
    return {side: _run(home, folder, side) for side in sides}


def _run(home: Path, folder: Path, side: str) -> dict[str, float]:
    """Run one side on a copy of the table; what is in the files of a table never changes."""
    database, log = folder / "db", folder / "log"
    shutil.copytree(home, database, copy_function=os.link)
    environment = {**os.environ}
    if side == "on":
        environment["GENEVA_METRICS_PORT"] = str(_free_port())
    program = PROGRAMS / "ours" / "watched.py"
    try:
        done = subprocess.run(
            [sys.executable, LAUNCHER, log, sys.executable, program, database, side],
            env=environment,
            stdout=subprocess.PIPE,
            check=True,
        )
        outcome: dict[str, Any] = json.loads(done.stdout)
        recorded = any(database.glob("_geneva/jobs/*/ended.json"))
        shown = "wc" in log.read_text()
        if outcome["exit_code"] != 0 or {recorded, shown} != {side == "on"}:
            raise MeasurementError(f"{side} went wrong: {log.read_text()}")
    finally:
        shutil.rmtree(database)
    return {figure: float(outcome[figure]) for figure in FIGURES}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
