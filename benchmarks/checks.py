"""Whether a run produced what it should, looked at with pylance outside the measured time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import lance
import numpy as np

from benchmarks.errors import WrongResultError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

EDGE_ROWS = 100
RANDOM_ROWS = 300


def check_column(
    dataset_path: Path,
    column: str,
    inputs: Sequence[str],
    *,
    rows: int,
    nulls: int,
    expected: Callable[[Mapping[str, Any]], object],
) -> None:
    """Compare a filled column with the function.

    The number of rows and of nulls is exact; values are compared in the first and last rows and in
    some hundred random ones.

    Raises
    ------
    WrongResultError
        With the first difference found.
    """
    dataset = lance.dataset(dataset_path)
    where = f"{dataset_path}, column {column!r}"
    if (found := dataset.count_rows()) != rows:
        raise WrongResultError(f"{where}: expected {rows} rows, found {found}")
    if (found := dataset.count_rows(filter=f"{column} IS NULL")) != nulls:
        raise WrongResultError(f"{where}: expected {nulls} nulls, found {found}")
    positions = _sample(rows)
    sample = dataset.take(positions, columns=[*inputs, column]).to_pylist()
    for position, row in zip(positions, sample, strict=True):
        wanted = expected(row)
        if row[column] != wanted:
            message = f"row {position}: expected {wanted!r:.200}, found {row[column]!r:.200}"
            raise WrongResultError(f"{where}, {message}")


def _sample(rows: int) -> list[int]:
    rng = np.random.default_rng(rows)
    chosen = {
        *range(min(rows, EDGE_ROWS)),
        *range(max(0, rows - EDGE_ROWS), rows),
        *rng.integers(0, rows, size=RANDOM_ROWS).tolist(),
    }
    return sorted(chosen)
