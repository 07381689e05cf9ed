"""What changed between two functions, told from what was stored of the earlier one."""

from __future__ import annotations

import sys

import pytest

from geneva.transformer.canonical import function_digest
from geneva.transformer.changes import Definition, compare
from geneva.transformer.parts import parts_from_json, parts_of, parts_to_json
from tests.unit.test_canonical import digests  # noqa: F401 - a fixture


def definition(func, name="f", inputs=("a",), version=None, **options) -> Definition:
    stored = parts_to_json(parts_of(func))
    parts = tuple(parts_from_json(stored))
    return Definition(name, version or function_digest(func), inputs, options, parts)


def words(before, after) -> list[str]:
    changes = compare("docs.out", before, after)
    assert changes.stale == any(change.stale for change in changes)
    return [str(change) for change in changes]


EMBED, MODEL, CACHED = 0, 1, 2
EDITS = {
    "code": (EMBED, "main", "* scale +", "* scale -", "code of embed changed (main.py:6)"),
    "default": (EMBED, "main", "scale=3", "scale=4", "default of scale 3 → 4"),
    "keyword-only": (EMBED, "main", "shift=4", "shift=5", "default of shift 4 → 5"),
    "closure": (EMBED, "main", "outer(5)", "outer(6)", "closure variable k 5 → 6"),
    "helper": (EMBED, "helpers", "FACTOR +", "FACTOR -", "helper clean() changed (helpers.py:31)"),
    "its global": (EMBED, "helpers", "TOR = 2", "TOR = 3", "global FACTOR of clean() 2 → 3"),
    "large global": (EMBED, "helpers", '"die", ', "", "global WORDS of clean() changed"),
    "helper of a helper": (EMBED, "deeper", "OFFSET = 7", "OFFSET = 8", "module deeper changed"),
    "late import": (EMBED, "late", "x + LAST", "x - LAST", "code of embed changed (main.py:6)"),
    "method": (
        MODEL, "helpers", "self.add(x) +", "self.add(x) -",
        "code of Model, __call__() changed (helpers.py:20)",
    ),
    "base": (
        MODEL, "helpers", "x + self.step", "x - self.step",
        "class Base, add() changed (helpers.py:12)",
    ),
    "class attribute": (MODEL, "helpers", "step = 1", "step = 2", "class Base, step 1 → 2"),
    "attribute": (MODEL, "main", "Model(8)", "Model(9)", "attribute size 8 → 9"),
    "wrapped": (CACHED, "helpers", "x + 30", "x + 31", "helper cached() changed (helpers.py:27)"),
    "nothing": (EMBED, "main", "def outer", "\n\n\ndef outer", None),
}  # fmt: skip


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_what_changed_is_named(digests, edit):  # noqa: F811
    which, *change, expected = edit

    def now():
        main = sys.modules["main"]
        return definition(
            (main.embed, main.model, main.uses_cached)[which],
            "embed" if which == EMBED else "Model",
        )

    digests()
    before = now()
    digests(tuple(change))
    assert words(before, now()) == ([] if expected is None else [expected])


def test_inputs_options_and_names():
    def f(a, k=1):
        return a + k

    def g(a, k=1):
        return a + k

    before = definition(f, num_cpus=1, memory=None)
    after = definition(g, "g", ("b", "c"), num_cpus=2, memory=None)
    assert words(before, after) == [
        "function f → g",
        'input_columns ["a"] → ["b", "c"]',
        "num_cpus 1 → 2 (makes nothing stale)",
    ]
    assert not compare("x.y", before, definition(f, num_cpus=2, memory=None)).stale
    same = compare("x.y", before, before)
    assert not same
    assert str(same) == "x.y: the same function; nothing becomes stale."


def test_a_version_that_was_named_decides():
    one, two = (lambda a: a + 1), (lambda a: a + 2)
    kept = compare("x.y", definition(one, version="1"), definition(two, version="1"))
    assert not kept.stale
    assert "code of <lambda> changed" in str(kept)
    assert "makes nothing stale" in str(kept)
    assert words(definition(one, version="1"), definition(one, version="2")) == ["version 1 → 2"]


def test_a_function_that_was_stored_without_its_parts():
    before = Definition("f", "a" * 32, ("a",), {})
    assert words(before, Definition("f", "b" * 32, ("a",), {})) == ["code of f changed"]


def test_helpers_come_and_go():
    def helper(x):
        return x

    assert words(definition(lambda a: helper(a)), definition(lambda a: a))[1:] == [
        "helper helper() is not used any more"
    ]


def test_what_may_be_secret_is_not_stored():
    def f(a, api_key="sk-1", model="small"):
        return a

    stored = parts_to_json(parts_of(f))
    assert "sk-1" not in stored
    assert "small" in stored


def test_many_parts_are_put_together():
    many = {f"n{i}": i for i in range(100)}

    def make(**values):
        space: dict = dict(values)
        exec("def f(a): return " + " + ".join(values), space)
        return space["f"]

    before, after = definition(make(**many)), definition(make(**(many | {"n99": 0})))
    assert len(before.parts) == 64
    assert words(before, after) == ["other code and values that it uses changed"]
