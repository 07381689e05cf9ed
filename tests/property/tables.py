"""Random tables as data, with the truth about each of their rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from geneva.jobs.spec import BackfillArguments, BackfillSpec, backfill_spec
from geneva.storage.model import (
    ComputedColumn,
    FragmentState,
    Origin,
    Part,
    RowRange,
    TableLocation,
    TableSnapshot,
    pack_rows,
)

COLUMN = ComputedColumn(
    name="c",
    field_id=7,
    data_type=pa.int64(),
    is_blob=False,
    udf_name="f",
    udf_version="1",
    payload="f.pkl",
    input_columns=("a",),
    options={"num_cpus": 1.0, "num_gpus": 0.0},
)


@dataclass(frozen=True)
class Truth:
    """One fragment, and which of its rows have to be computed.

    ``selected`` are the live rows that the filter of the plan selects (before ``exclude``),
    ``pending`` those of them that have to be computed now, and ``held`` the rows of each part.
    """

    state: FragmentState
    selected: np.ndarray
    pending: np.ndarray
    held: dict[Part, frozenset[int]]


@dataclass(frozen=True)
class Case:
    """A table and what is asked of it."""

    spec: BackfillSpec
    truths: tuple[Truth, ...]

    @property
    def snapshot(self) -> TableSnapshot:
        return TableSnapshot(
            location=TableLocation("/db/docs.lance"),
            version=3,
            column=COLUMN,
            where=self.spec.where,
            fragments=tuple(truth.state for truth in self.truths),
        )


def spec(**arguments: Any) -> BackfillSpec:
    return backfill_spec(COLUMN, BackfillArguments(**arguments))


def _masks(size: int) -> st.SearchStrategy[np.ndarray]:
    return st.integers(0, 2**size - 1).map(
        lambda bits: np.array([bits >> i & 1 for i in range(size)], bool)
    )


@st.composite
def _parts(draw: st.DrawFn, fragment_id: int, live: np.ndarray) -> dict[Part, frozenset[int]]:
    """Parts as earlier jobs leave them: dense ones do not overlap, sparse ones lie anywhere."""
    rows, held, position = len(live), {}, 0
    while position < rows and draw(st.booleans()):
        start = draw(st.integers(position, rows - 1))
        position = draw(st.integers(start + 1, rows))
        part = Part(fragment_id, RowRange(start, position), True, f"dense-{start}")
        held[part] = frozenset(i for i in range(start, position) if live[i])
    for number in range(draw(st.integers(0, 2))):
        start = draw(st.integers(0, rows - 1))
        stop = draw(st.integers(start + 1, rows))
        part = Part(fragment_id, RowRange(start, stop), False, f"sparse-{number}")
        chosen = draw(_masks(rows)) & live
        held[part] = frozenset(i for i in range(start, stop) if chosen[i])
    return held


@st.composite
def _truths(draw: st.DrawFn, fragment_id: int, where: str | None, force: bool) -> Truth:
    rows = draw(st.integers(1, 12))
    live = ~(draw(_masks(rows)) & draw(_masks(rows)))
    selected = live if where is None else live & draw(_masks(rows))
    origin = draw(st.sampled_from(Origin))
    covered = np.zeros(rows, bool)
    if origin is Origin.PARTIAL:
        covered = draw(_masks(rows))
    # What the same job has finished, before its driver was lost, is not computed again.
    redo = force and draw(st.integers(0, 3)) > 0
    fresh = origin is Origin.FRESH and not redo
    held: dict[Part, frozenset[int]] = {} if fresh else draw(_parts(fragment_id, live))
    listed = np.zeros(rows, bool) if redo else covered.copy()
    in_dense = np.zeros(rows, bool)
    for part, offsets in held.items():
        if part.dense:
            in_dense[part.rows.start : part.rows.stop] = True
        else:
            listed[list(offsets)] = True
    pending = selected & ~listed & ~in_dense & (not fresh)
    packed = any(not part.dense for part in held) or (origin is Origin.PARTIAL and not redo)
    state = FragmentState(
        fragment_id=fragment_id,
        physical_rows=rows,
        live_rows=int(live.sum()),
        fingerprint=f"print-{fragment_id}",
        origin=origin,
        pending_rows=int(pending.sum()),
        input_bytes=8 * rows,
        covered=pack_rows(covered) if origin is Origin.PARTIAL else None,
        parts=tuple(held),
        redo=redo,
        done=pack_rows(listed) if packed else None,
    )
    return Truth(state, selected, pending, held)


@st.composite
def cases(draw: st.DrawFn, *, windows: bool = True) -> Case:
    where = draw(st.none() | st.just("id > 3"))
    force = draw(st.booleans()) if windows else draw(st.integers(0, 9)) == 0
    arguments: dict[str, Any] = {
        "where": where,
        "force": force,
        "task_size": draw(st.none() | st.integers(1, 8)),
        "commit_granularity": draw(st.none() | st.integers(1, 3)),
    }
    if windows:
        arguments |= {
            "num_frags": draw(st.none() | st.integers(1, 4)),
            "skip_frags": draw(st.integers(0, 3)),
        }
    ids = range(0, 2 * draw(st.integers(1, 6)), 2)
    truths = tuple(draw(_truths(fragment_id, where, force)) for fragment_id in ids)
    return Case(spec(**arguments), truths)
