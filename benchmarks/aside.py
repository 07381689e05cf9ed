"""Work with Lance in a process of its own that is gone before anything is measured.

A page that several processes share counts in each of them only by its share (PSS). Were pylance
loaded in the harness, a measured process would seem smaller by half of that library. Therefore
neither this module nor any that the harness imports may import lance, pyarrow, numpy or Pillow at
its top.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.cases import Case, Side
    from benchmarks.tables import TableSpec

P = ParamSpec("P")
T = TypeVar("T")


def provide_table(spec: TableSpec, folder: Path) -> Path:
    """Return the folder that holds the table, which is generated unless it is there already."""
    home = folder / spec.name
    if not home.exists():
        _in_own_process(_generate, spec, home)
    return home


def check_result(folder: Path, case: Case, side: Side) -> None:
    """Check what a measured program wrote, see `benchmarks.checks.check_column`."""
    _in_own_process(_check, folder, case, side)


def _in_own_process(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=spawn) as pool:
        return pool.submit(function, *args, **kwargs).result()


def _generate(spec: TableSpec, home: Path) -> None:
    from benchmarks.generate import generate_table

    generate_table(spec, home)


def _check(folder: Path, case: Case, side: Side) -> None:
    from benchmarks.checks import check_column

    check_column(
        folder / "docs.lance",
        case.column,
        case.inputs,
        rows=side.table.total_rows,
        nulls=side.nulls,
        expected=side.expected,
    )
