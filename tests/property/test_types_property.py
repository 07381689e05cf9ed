"""Every type that Lance stores survives the way through a table and a function, and back."""

from __future__ import annotations

import decimal
import tempfile
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

import geneva
from geneva.errors import InvalidArgumentError

T = pa.types
INT = pa.int32()
ITEM = pa.dictionary(pa.int32(), pa.string())

UNITS = ("s", "ms", "us", "ns")
NUMBERS = [
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64()),
    *(pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
    *(pa.float16(), pa.float32(), pa.float64(), pa.bool_()),
    *(pa.decimal128(10, 2), pa.decimal128(38, 18), pa.decimal256(50, 5), pa.decimal256(76, 0)),
]
TEXTS = [
    *(pa.string(), pa.large_string(), pa.string_view()),
    *(pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(4)),
]
TIMES = [
    *(pa.date32(), pa.date64(), pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")),
    *(pa.timestamp(unit, tz) for unit in UNITS for tz in (None, "UTC", "Europe/Berlin")),
    *map(pa.duration, UNITS),
]
OTHERS = [
    pa.null(),
    pa.dictionary(pa.int8(), pa.string()),
    pa.dictionary(pa.int32(), pa.int64()),
    pa.dictionary(pa.int32(), pa.float64()),
    *(pa.uuid(), pa.bool8(), pa.json_(), pa.fixed_shape_tensor(pa.float32(), [2, 2])),
]
LEAVES = [*NUMBERS, *TEXTS, *TIMES, *OTHERS]

# As nested types hold them, which Lance does not for all.
_ITEMS = [
    pa.int64(), pa.float32(), pa.bool_(), pa.string(), pa.large_binary(), pa.date32(),
    pa.timestamp("ns"), pa.timestamp("us", "UTC"), pa.duration("s"), pa.decimal128(10, 2), ITEM,
]  # fmt: skip

# Lance keeps extension types at the top only, and refuses structs with a field of the null type.
APART = [t for t in LEAVES if T.is_null(t) or isinstance(t, pa.BaseExtensionType)]
FIELDS = [t for t in LEAVES if t not in APART]

# What Lance does not store, and why: some is refused when a field is declared, some when values are
# written, and some ends the thread that writes.
REFUSED = [
    (pa.nulls(2, pa.month_day_nano_interval()), "intervals"),
    (pa.nulls(2, pa.decimal32(7, 2)), "decimals narrower than 128 bits"),
    (pa.nulls(2, pa.decimal64(7, 2)), "decimals narrower than 128 bits"),
    (pa.nulls(2, pa.list_view(INT)), "views of lists"),
    (pa.nulls(2, pa.large_list_view(INT)), "views of lists"),
    (pa.nulls(2, pa.run_end_encoded(INT, pa.string())), "run-end encoding"),
    (pa.nulls(2, pa.dense_union([pa.field("a", INT)])), "unions"),
    (pa.nulls(2, pa.list_(pa.list_(INT), 2)), "fixed-size lists of anything of any length"),
    (pa.array([["a", "b"]], pa.list_(pa.string(), 2)), "fixed-size lists of text"),
    (pa.array([[b"a", b"b"]], pa.list_(pa.binary(), 2)), "fixed-size lists of bytes"),
    (pa.nulls(2, pa.list_(ITEM, 2)), "fixed-size lists of dictionaries"),
    (pa.nulls(2, pa.list_(pa.uuid(), 2)), "fixed-size lists of extension types"),
    (pa.array([{}, None], pa.struct([])), "structs without fields"),
]


# To shrink an example would take minutes.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)


def _ints(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high)


def _counts(data_type: pa.DataType) -> st.SearchStrategy[int]:
    """Make dates and times as Arrow stores them, also those that Python cannot hold."""
    if T.is_date32(data_type):
        return _ints(-(2**31), 2**31 - 1)
    if T.is_date64(data_type):
        return _ints(-(10**8), 10**8).map(lambda days: 86_400_000 * days)
    if T.is_time(data_type):
        return _ints(0, 86_400 * 10 ** (3 * UNITS.index(data_type.unit)) - 1)
    return _ints(-(2**63) + 1, 2**63 - 1) | _ints(-(2**40), 2**40)


def _leaf(data_type: pa.DataType, rows: int) -> st.SearchStrategy[pa.Array]:
    def values(of: st.SearchStrategy[Any], make: Any = None) -> st.SearchStrategy[pa.Array]:
        make = make or (lambda found: pa.array(found, data_type))
        return st.lists(st.none() | of, min_size=rows, max_size=rows).map(make)

    if T.is_null(data_type):
        return st.just(pa.nulls(rows))
    if T.is_dictionary(data_type):
        # Lance gives the values of a dictionary anew; their order is no part of the column.
        return _leaf(data_type.value_type, rows).map(
            lambda plain: plain.dictionary_encode().cast(data_type)
        )
    if isinstance(data_type, pa.BaseExtensionType):
        if data_type.extension_name == "arrow.json":
            # Lance writes JSON anew, without spaces.
            return st.just(data_type.wrap_array(pa.array(['{"a":1}', None] * rows)[:rows]))
        if data_type.extension_name == "arrow.bool8":
            bits = st.lists(st.none() | st.integers(0, 1), min_size=rows, max_size=rows)
            return bits.map(lambda found: data_type.wrap_array(pa.array(found, pa.int8())))
        stored = arrays(data_type.storage_type, rows)
        return stored.map(data_type.wrap_array)
    if T.is_temporal(data_type):
        width = pa.int32() if data_type.bit_width == 32 else pa.int64()
        return values(_counts(data_type), lambda found: pa.array(found, width).view(data_type))
    return values(_plain_values(data_type))


def _plain_values(data_type: pa.DataType) -> st.SearchStrategy[Any]:
    if T.is_boolean(data_type):
        return st.booleans()
    if T.is_integer(data_type):
        bits = data_type.bit_width
        low = -(2 ** (bits - 1)) if T.is_signed_integer(data_type) else 0
        return _ints(low, low + 2**bits - 1)
    if T.is_floating(data_type):
        # NaN is unlike itself; it has a test of its own.
        floats = st.floats(width=data_type.bit_width, allow_nan=False)
        return floats.map(np.float16) if T.is_float16(data_type) else floats
    if T.is_decimal(data_type):
        most = 10**data_type.precision - 1
        with_scale = decimal.Context(prec=80)
        return _ints(-most, most).map(
            lambda n: decimal.Decimal(n).scaleb(-data_type.scale, with_scale)
        )
    if "string" in str(data_type):
        return st.text("a\0é😀", max_size=5)
    if T.is_fixed_size_binary(data_type):
        width = data_type.byte_width
        return st.binary(min_size=width, max_size=width)
    return st.binary(max_size=5)


def arrays(data_type: pa.DataType, rows: int) -> st.SearchStrategy[pa.Array]:
    """Make arrays with nulls and empty lists at every depth."""

    @st.composite
    def nested(draw: st.DrawFn) -> pa.Array:
        mask = pa.array(draw(st.lists(st.booleans(), min_size=rows, max_size=rows)), pa.bool_())
        if T.is_struct(data_type):
            fields = [draw(arrays(field.type, rows)) for field in data_type]
            return pa.StructArray.from_arrays(fields, fields=list(data_type), mask=mask)
        if T.is_fixed_size_list(data_type):
            items = draw(arrays(data_type.value_type, rows * data_type.list_size))
            return pa.FixedSizeListArray.from_arrays(items, type=data_type, mask=mask)
        lengths = draw(st.lists(st.integers(0, 3), min_size=rows, max_size=rows))
        bounds = [0, *np.cumsum(lengths).tolist()]
        if T.is_map(data_type):
            keys = pa.array([str(i) for i in range(bounds[-1])], data_type.key_type)
            items = draw(arrays(data_type.item_type, bounds[-1]))
            return pa.MapArray.from_arrays(bounds, keys, items, type=data_type, mask=mask)
        items = draw(arrays(data_type.value_type, bounds[-1]))
        kind = pa.LargeListArray if T.is_large_list(data_type) else pa.ListArray
        return kind.from_arrays(bounds, items, type=data_type, mask=mask)

    return nested() if T.is_nested(data_type) else _leaf(data_type, rows)


def _lists(item: pa.DataType) -> st.SearchStrategy[pa.DataType]:
    several = [pa.list_(item), pa.large_list(item), pa.map_(pa.string(), item)]
    if T.is_primitive(item) or T.is_decimal(item) or T.is_fixed_size_list(item):
        several.append(pa.list_(item, 2))
    return st.sampled_from(several)


NESTED = st.recursive(
    st.sampled_from(_ITEMS),
    lambda inner: st.one_of(
        inner.flatmap(_lists),
        st.lists(inner, min_size=1, max_size=3).map(
            lambda types: pa.struct([(f"f{i}", t) for i, t in enumerate(types)])
        ),
    ),
    max_leaves=4,
)


def _same(value: Any) -> Any:
    return value


def _same_array(value: pa.Array) -> pa.Array:
    return value


def _without_dictionaries(data_type: pa.DataType) -> pa.DataType:
    if T.is_dictionary(data_type):
        return data_type.value_type
    if T.is_struct(data_type):
        return pa.struct([(f.name, _without_dictionaries(f.type)) for f in data_type])
    if T.is_map(data_type):
        return pa.map_(data_type.key_type, _without_dictionaries(data_type.item_type))
    if T.is_fixed_size_list(data_type):
        return pa.list_(_without_dictionaries(data_type.value_type), data_type.list_size)
    if T.is_nested(data_type):
        make = pa.large_list if T.is_large_list(data_type) else pa.list_
        return make(_without_dictionaries(data_type.value_type))
    return data_type


def _decoded(column: pa.Array) -> pa.Array:
    """Put values for dictionaries, in whose order Lance is free."""
    plain = _without_dictionaries(column.type)
    return column if plain == column.type else column.cast(plain)


def _through_functions(columns: list[pa.Array], *, alternate: bool = False) -> None:
    """Write columns to a table, compute each again from itself, and compare what is read.

    With ``alternate`` one half is computed row by row and the other half batch by batch.
    """
    names = [f"c{i}" for i in range(len(columns))]
    with tempfile.TemporaryDirectory() as folder, geneva.connect(folder) as db:
        table = db.create_table("t", pa.table(columns, names=names))
        functions = {}
        for i, (name, column) in enumerate(zip(names, columns, strict=True)):
            options: dict[str, Any] = {"data_type": column.type, "input_columns": [name]}
            if not alternate or i % 2:
                functions[f"{name}_scalar"] = geneva.udf(_same, **options)
            if not alternate or not i % 2:
                functions[f"{name}_array"] = geneva.udf(_same_array, **options)
        table.add_columns(functions)
        for name in functions:
            table.backfill(name, runner="inline", progress=False)
        found = lance.dataset(table.uri).to_table()
    for name, column in zip(names, columns, strict=True):
        for column_name in {name, f"{name}_scalar", f"{name}_array"} & set(found.schema.names):
            got = found[column_name].cast(column.type).combine_chunks()
            assert _decoded(got).equals(_decoded(column)), (column_name, column.type)


@given(st.tuples(*(arrays(data_type, 8) for data_type in LEAVES)))
@settings(max_examples=1, phases=PHASES)
def test_every_type_as_a_column(columns):
    # Which of the forms a type meets here is of no account: as fields all of them meet both.
    # Hypothesis begins with nulls only; there is time for one example.
    assume(sum(column.null_count for column in columns) < 4 * len(columns))
    _through_functions(list(columns), alternate=True)


@given(st.tuples(*(arrays(data_type, 3) for data_type in APART)))
@settings(max_examples=2, phases=PHASES)
def test_types_that_are_no_fields(columns):
    _through_functions(list(columns))


@given(arrays(pa.struct([(str(t), t) for t in FIELDS]), 4))
@settings(max_examples=6, phases=PHASES)
def test_every_type_as_a_field(column):
    _through_functions([column])


@given(NESTED.flatmap(lambda data_type: arrays(data_type, 6)))
@settings(max_examples=15, phases=PHASES)
def test_nested_types(column):
    _through_functions([column])


@pytest.mark.parametrize("values", [array for array, _ in REFUSED], ids=lambda v: str(v.type))
def test_types_that_lance_does_not_store(values, tmp_path):
    # A panic of Lance's is no Exception.
    with pytest.raises(BaseException, match=r"(?i)supported|compute_stat|match"):
        lance.write_dataset(pa.table({"c": values}), str(tmp_path / "lance.lance"))
    table = geneva.connect(str(tmp_path)).create_table("t", pa.table({"id": [1, 2]}))
    for data_type in (values.type, pa.struct([("x", pa.list_(values.type))])):
        with pytest.raises(InvalidArgumentError, match=r"'c': Lance cannot store .* instead"):
            table.add_columns({"c": geneva.udf(_same, data_type=data_type, input_columns=["id"])})
