"""The bounds of an estimate hold as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geneva.jobs.intervals import largest, total

_TRIALS = 800
_DISTRIBUTIONS = {
    "normal": lambda random, size: random.normal(10, 2, size),
    "uniform": lambda random, size: random.uniform(0, 1, size),
    "two kinds": lambda random, size: np.where(random.random(size) < 0.3, 5.0, 1.0),
    "exponential": lambda random, size: random.exponential(1, size),
    "lognormal": lambda random, size: random.lognormal(0, 0.7, size),
}


@pytest.mark.parametrize("name", _DISTRIBUTIONS)
@pytest.mark.parametrize(("seen", "coming"), [(8, 500), (32, 40), (32, 2000)])
def test_coverage_is_about_what_it_says(name, seen, coming):
    draw = _DISTRIBUTIONS[name]
    random = np.random.default_rng(seen * coming)
    hits = 0
    for _ in range(_TRIALS):
        interval = total(draw(random, seen).tolist(), coming)
        hits += interval.low <= draw(random, coming).sum() <= interval.high
    # Exact for normal values; eight of a long tail say too little of it.
    least = 0.85 if seen >= 32 else 0.77
    if name == "normal":
        least = 0.87
    assert least <= hits / _TRIALS <= 0.95


@given(
    st.lists(st.floats(0, 1e6), min_size=2, max_size=50),
    st.integers(1, 10**9),
    st.floats(0.1, 10),
)
def test_an_interval_holds_its_value_and_scales(sample, number, factor):
    found = total(sample, number)
    slack = 1e-9 * (1 + abs(found.value))
    assert 0 <= found.low <= found.value + slack
    assert found.value <= found.high + slack
    scaled = found.scaled(factor)
    assert scaled.value == pytest.approx(found.value * factor)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50))
def test_the_largest_is_what_was_seen_or_more(sample):
    found = largest(sample)
    assert found.value == max(sample)
    assert found.low <= found.value * (1 + 1e-12)
    assert found.value <= found.high
