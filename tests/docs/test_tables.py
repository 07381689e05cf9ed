"""Tables of types and parameters say what the code says."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import inspect
import typing

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

import geneva
from geneva import errors
from geneva.transformer.types import arrow_type
from tests.docs.pages import ROOT, code_spans, table_rows

GUIDE = ROOT / "docs" / "guide"


class Color(enum.Enum):
    RED = "red"


class Size(typing.NamedTuple):
    width: int
    height: int


@dataclasses.dataclass
class Box:
    label: str
    score: float


NAMES = {
    **{name: getattr(typing, name) for name in ("Annotated", "Literal", "Optional")},
    **{name: getattr(dt, name) for name in ("datetime", "date", "time", "timedelta")},
    "Decimal": decimal.Decimal,
    "np": np,
    "npt": npt,
    "pa": pa,
    "Color": Color,
    "Size": Size,
    "Box": Box,
}


def documented_types() -> dict[str, str]:
    rows = {}
    for hints, types, *_ in table_rows(GUIDE / "functions.md", "Hint"):
        names, kinds = code_spans(hints), code_spans(types)
        rows.update(zip(names, kinds * (len(names) if len(kinds) == 1 else 1), strict=True))
    return rows


@pytest.mark.parametrize(("hint", "expected"), documented_types().items())
def test_types_of_hints(hint: str, expected: str) -> None:
    assert str(arrow_type(eval(hint, dict(NAMES)))) == expected


def test_all_scalar_types_are_in_the_table() -> None:
    numpy = {kind for kind in vars(np).values() if isinstance(kind, type)}
    scalars = {kind for kind in numpy if issubclass(kind, np.generic)}
    builtin = {int, float, bool, str, bytes, *(NAMES[n] for n in ("Decimal", "datetime", "date"))}
    documented = {
        found for hint in documented_types() if isinstance(found := eval(hint, dict(NAMES)), type)
    }
    assert builtin <= documented
    for kind in scalars - documented:
        # Another name of a type that is documented, or one without an Arrow type.
        try:
            found = arrow_type(kind)
        except errors.TypeHintError:
            continue
        assert found in {arrow_type(one) for one in documented & scalars}, kind


@pytest.mark.parametrize(
    ("page", "heading", "function"),
    [
        ("backfill.md", "Parameter", geneva.Table.backfill),
        ("functions.md", "Option", geneva.udf),
    ],
)
def test_every_parameter_is_documented_with_its_default(page, heading, function) -> None:
    documented = {
        name: default
        for names, defaults, *_ in table_rows(GUIDE / page, heading)
        for name, default in zip(code_spans(names), _defaults(names, defaults), strict=True)
    }
    parameters = list(inspect.signature(function).parameters.values())
    expected = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    assert list(documented) == list(expected)
    for name, default in expected.items():
        assert eval(documented[name]) == default, name


def _defaults(names: str, defaults: str) -> list[str]:
    spans = code_spans(defaults)
    return spans * (len(code_spans(names)) if len(spans) == 1 else 1)


def test_every_error_is_documented() -> None:
    text = (GUIDE / "errors.md").read_text()
    kinds = [
        name
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, errors.GenevaError)
    ]
    assert [name for name in kinds if f"`{name}`" not in text] == []


def test_every_metric_is_documented() -> None:
    from geneva.jobs.progress import Progress
    from geneva.pipeline.meter import ProgressMeter

    metrics = ProgressMeter(Progress("job", "table", "column"), lambda progress: None).metrics()
    rows = table_rows(GUIDE / "backfill.md", "Metric")
    assert [name for row in rows for name in code_spans(row[0])] == list(metrics)


def test_the_resource_guide_has_the_codes_numbers() -> None:
    from geneva.pipeline.batching import FIRST_BATCH_ROWS
    from geneva.resources.memory import MemoryEstimate
    from geneva.transformer.udf import UDF

    text = " ".join((GUIDE / "resources.md").read_text().split())
    assert f"estimate is {MemoryEstimate(0, 0).applier_bytes >> 20} MiB for the process" in text
    assert f"Batches start at {FIRST_BATCH_ROWS} rows" in text
    backfill = inspect.signature(geneva.Table.backfill).parameters
    reference = {
        code_spans(name)[0]: default
        for name, default, *_ in table_rows(GUIDE / "resources.md", "Parameter of `backfill()`")
    }
    for name in ("concurrency", "intra_applier_concurrency"):
        assert reference[name] == str(backfill[name].default)
    assert reference["batch_size"] == f"adaptive, from {FIRST_BATCH_ROWS}"
    asked = {
        code_spans(name)[0]: default
        for name, default, *_ in table_rows(GUIDE / "resources.md", "What one applier asks for")
    }
    plain = geneva.udf(lambda id: id, data_type=pa.int64())
    assert isinstance(plain, UDF)
    assert asked == {
        "num_cpus": f"{plain.num_cpus:g}",
        "num_gpus": f"{plain.num_gpus:g}",
        "memory": "none" if plain.memory is None else str(plain.memory),
    }
