"""The checksum of values depends on them, and on nothing else."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from geneva.storage.checksum import ValueChecksum
from tests.property.test_values_property import COLUMNS


def checksum(*batches: pa.Array) -> str | None:
    taken = ValueChecksum()
    for batch in batches:
        taken.update(batch)
    return taken.text()


@given(COLUMNS, st.integers(0, 6), st.integers(0, 6))
def test_it_does_not_matter_how_values_are_cut(column: tuple[pa.DataType, list[Any]], a, b):
    data_type, values = column
    whole = pa.array(values, data_type)
    first, second = sorted((a, b))
    pieces = whole[:first], whole[first:second], whole[second:]
    assert checksum(whole) is not None
    assert checksum(*pieces) == checksum(whole)
    # What lies around values, and under a NULL, is not theirs.
    around = pa.concat_arrays([whole, whole, whole]).slice(len(whole), len(whole))
    assert checksum(around) == checksum(whole)
    taken = pa.concat_arrays([pa.nulls(1, data_type), whole]).take(
        pa.array(range(1, len(whole) + 1), pa.int64())
    )
    assert checksum(taken) == checksum(whole)


@given(COLUMNS, st.data())
def test_other_values_have_another(column: tuple[pa.DataType, list[Any]], data):
    data_type, values = column
    order = data.draw(st.permutations(values))
    fewer = values[: data.draw(st.integers(0, len(values)))]
    for other in (order, fewer, [*values, None]):
        changed = pa.array(other, data_type).to_pylist() != pa.array(values, data_type).to_pylist()
        if changed:
            assert checksum(pa.array(other, data_type)) != checksum(pa.array(values, data_type))
