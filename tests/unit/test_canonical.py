"""What the digest of a function covers, and what it does not depend on."""

from __future__ import annotations

import enum
import importlib
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import geneva
from geneva.errors import UnpicklableFunctionError
from geneva.transformer.canonical import function_digest

HELPERS = """
    import functools
    import deeper

    FACTOR = 2
    WORDS = {"en": {"the", "a", "an"}, "de": {"der", "die", "das"}}

    class Base:
        '''Says something.'''
        step = 1

        def add(self, x):
            return x + self.step

    class Model(Base):
        def __init__(self, size):
            self.size = size
            self.stop = {"the", "a", "of"}

        def __call__(self, x):
            return self.add(x) + self.size

        @staticmethod
        def half(x):
            return x / 2

    @functools.lru_cache
    def cached(x):
        return x + 30

    def clean(x):
        '''Clean it.'''
        return deeper.strip(x) * FACTOR + len(WORDS)
"""
DEEPER = """
    OFFSET = 7
    def strip(x):
        return x - OFFSET
    def unused(x):
        return x
"""
LATE = """
    from latest import LAST
    def late(x):
        return x + LAST
"""
MAIN = """
    import numpy as np
    from helpers import Model, cached, clean

    def outer(k):
        def embed(x, scale=3, *, shift=4):
            '''Embed it.'''
            import late
            if x in {"p", "q", "r"}:
                return 0
            # What follows is the formula.
            def inner(y):
                "Say it."
                return "is documented" and y + 1
            return [inner(clean(x) * scale + shift + k) for _ in "is a list"][0] + np.mean([x])
        return embed

    embed = outer(5)
    model = Model(8)
    uses_cached = lambda x: cached(x)
"""
SOURCES = {"main": MAIN, "helpers": HELPERS, "deeper": DEEPER, "late": LATE, "latest": "LAST = 1\n"}
DIGESTS = """
    import sys
    from geneva.transformer.canonical import function_digest
    import main
    for name in ("embed", "model", "uses_cached"):
        print(function_digest(getattr(main, name)))
"""


@pytest.fixture
def digests(tmp_path, monkeypatch):
    """Give the digests of three functions of a small program after some edits of its source."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def given(*edits: tuple[str, str, str], folder: Path = tmp_path) -> list[str]:
        sources = {name: textwrap.dedent(text) for name, text in SOURCES.items()}
        for module, old, new in edits:
            assert old in sources[module], old
            sources[module] = sources[module].replace(old, new)
        for name, text in sources.items():
            (folder / f"{name}.py").write_text(text)
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        main = importlib.import_module("main")
        return [function_digest(f) for f in (main.embed, main.model, main.uses_cached)]

    yield given
    for name in SOURCES:
        sys.modules.pop(name, None)


EMBED, MODEL, CACHED = "embed", "model", "uses_cached"
CHANGES = {
    "code": (EMBED, "main", "* scale + shift", "* scale - shift"),
    "code of an inner function": (EMBED, "main", "y + 1", "y + 2"),
    "a constant set": (EMBED, "main", '{"p", "q", "r"}', '{"p", "q", "s"}'),
    "a constant that looks like a docstring": (EMBED, "main", '"is a list"', '"is list"'),
    "a default": (EMBED, "main", "scale=3", "scale=4"),
    "a keyword-only default": (EMBED, "main", "shift=4", "shift=5"),
    "a closure variable": (EMBED, "main", "outer(5)", "outer(6)"),
    "the kind of a closure variable": (EMBED, "main", "outer(5)", "outer(5.0)"),
    "a helper of a local module": (EMBED, "helpers", "* FACTOR +", "* FACTOR -"),
    "a global of a helper": (EMBED, "helpers", "FACTOR = 2", "FACTOR = 3"),
    "a set within a global": (EMBED, "helpers", '"die", ', ""),
    "a helper of a helper": (EMBED, "deeper", "x - OFFSET", "x + OFFSET"),
    "a global of a helper's helper": (EMBED, "deeper", "OFFSET = 7", "OFFSET = 8"),
    "a module imported in the function": (EMBED, "late", "x + LAST", "x - LAST"),
    "a module that such a module imports": (EMBED, "latest", "1", "2"),
    "an installed function": (EMBED, "main", "np.mean", "np.median"),
    "a method": (MODEL, "helpers", "self.add(x) + self.size", "self.add(x) - self.size"),
    "a static method": (MODEL, "helpers", "x / 2", "x / 3"),
    "a method of a base class": (MODEL, "helpers", "x + self.step", "x - self.step"),
    "a class attribute of a base": (MODEL, "helpers", "step = 1", "step = 2"),
    "an attribute": (MODEL, "main", "Model(8)", "Model(9)"),
    "an item of a set attribute": (MODEL, "helpers", '"the", "a", "of"', '"the", "a"'),
    "a wrapped helper": (CACHED, "helpers", "x + 30", "x + 31"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_what_may_change_a_value_changes_the_digest(digests, change):
    which, *edit = change
    at = [EMBED, MODEL, CACHED].index(which)
    assert digests()[at] != digests(tuple(edit))[at]


SAME = {
    "comments": ("main", "# What follows is the formula.", "# It is."),
    "blank lines and another place in the file": ("main", "def outer", "\n\n# Down.\n\ndef outer"),
    "blank lines in a helper": ("helpers", "return deeper", "\n\n    return deeper"),
    "blank lines in a class": ("helpers", "def add", "\n\n    # Adds.\n    def add"),
    "a docstring": ("main", "'''Embed it.'''", "'''Embed it well.\n\n    Really.'''"),
    "no docstring": ("helpers", "    '''Clean it.'''\n", ""),
    "the docstring of an inner function": ("main", '"Say it."', '"Say so."'),
    "the docstring of a base class": ("helpers", "'''Says something.'''", "'''Says more.'''"),
    "a comment in a module imported in the function": ("late", "def late", "# Late.\n\n\ndef late"),
    "what nobody uses": ("main", "import numpy as np", "import numpy as np\nUNUSED = 3"),
}  # fmt: skip


@pytest.mark.parametrize("edit", SAME.values(), ids=SAME.keys())
def test_what_changes_no_value_does_not_change_the_digest(digests, edit):
    assert digests() == digests(edit)


def test_the_same_in_every_process_and_folder(digests, tmp_path, tmp_path_factory):
    here = digests()
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for name in SOURCES:
        (elsewhere / f"{name}.py").write_text((tmp_path / f"{name}.py").read_text())
    running = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(DIGESTS)],
            cwd=folder,
            env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(folder)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed, folder in enumerate([tmp_path, tmp_path, elsewhere])
    ]
    # The second may read the compiled files that the first wrote.
    assert [process.communicate(timeout=60)[0].split() for process in running] == [here] * 3


def test_a_docstring_that_is_also_computed_with_counts():
    def one():
        "a"
        return "a"

    first = function_digest(one)

    def one():
        "b"
        return "b"

    assert function_digest(one) != first


def test_use_changes_nothing():
    def area(x):
        return [x * x for _ in range(3)]

    first = function_digest(area)
    for _ in range(200):
        area(2)
    assert function_digest(area) == first


def test_functions_that_refer_to_themselves_and_each_other():
    def even(n):
        return n == 0 or odd(n - 1)

    def odd(n):
        return n != 0 and even(n - 1)

    assert function_digest(even) == function_digest(even)
    assert function_digest(even) != function_digest(odd)


def test_values_of_installed_packages_count():
    def closing_over(value):
        return lambda x: x + value

    one, two = np.arange(4), np.arange(4)
    two[3] = 9
    assert function_digest(closing_over(one)) == function_digest(closing_over(np.arange(4)))
    assert function_digest(closing_over(one)) != function_digest(closing_over(two))


def _users_of(module):
    g = module.g
    return lambda x: module.g(x), lambda x: g(x)


def test_the_code_of_installed_packages_does_not_count(tmp_path, monkeypatch):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    found = []
    for release in (1, 2):
        (folder / "installed.py").write_text(f"def g(x):\n    return x + {release}\n")
        sys.modules.pop("installed", None)
        importlib.invalidate_caches()
        installed = importlib.import_module("installed")
        assert installed.g(0) == release
        found.append([function_digest(f) for f in _users_of(installed)])
    sys.modules.pop("installed", None)
    assert found[0] == found[1]


def test_the_order_of_an_enumeration_counts():
    def make(*names):
        kind = enum.Enum("Kind", {name: len(name) for name in names})
        kind.__module__ = "__main__"
        return lambda x: list(kind)[x]

    assert function_digest(make("a", "bb")) == function_digest(make("a", "bb"))
    assert function_digest(make("a", "bb")) != function_digest(make("bb", "a"))


def test_the_order_of_a_dict_counts_and_that_of_a_set_does_not():
    def using(value):
        return lambda x: value

    one, other = {"a": {1, "x"}, "b": 2}, {"b": 2, "a": {"x", 1}}
    assert function_digest(using(one)) != function_digest(using(other))
    assert function_digest(using([{"p", "q", ("r", 1)}])) == function_digest(
        using([{("r", 1), "q", "p"}])
    )


def test_what_cannot_be_pickled_is_named():
    import threading

    lock = threading.Lock()
    with pytest.raises(UnpicklableFunctionError, match="closure variable 'lock'"):
        function_digest(lambda: lock)


def test_it_is_the_version_of_a_function():
    def triple(x: int) -> int:
        return 3 * x

    assert geneva.udf(triple).version == function_digest(triple)
    assert geneva.udf(triple, version="mine").version == "mine"
