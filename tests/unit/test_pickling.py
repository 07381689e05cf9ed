"""Functions travel with the user's own modules, and the same everywhere."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import json
import os
import pickle
import subprocess
import sys
import textwrap
import threading
import time
import types
from pathlib import Path

import cloudpickle
import numpy as np
import pytest

import geneva
from geneva.errors import UnpicklableFunctionError
from geneva.transformer import local_modules
from geneva.transformer.pickling import digest, pickle_by_value

TOOLS = """
    import dataclasses, enum, typing, shop

    STOP = {"the", "a", "an", "of"}
    T = typing.TypeVar("T")

    class Options(typing.TypedDict, total=False):
        first: int
        second: str

    class Colour(enum.Enum):
        RED = "red"

    class Kind(typing.Generic[T]):
        names = frozenset({"jpg", "png", "gif"})

        def get(self, value: T) -> T:
            return value

    @dataclasses.dataclass
    class Point:
        x: int
        tags: list = dataclasses.field(default_factory=list)

    def words(text):
        "Words that say something."
        kept = [w for w in text.split() if w not in STOP and w not in {"x y", "zed"}]
        return kept, shop.tools.STOP == STOP
"""
SCRIPT = """
    import shop.tools
    from shop import tools
    from shop.tools import Colour, Kind, Options, Point, words

    LOCAL = frozenset({"one", "two", "three"})

    def embed(text: str, options: Options = None, flags={"f", "g"}) -> Point:
        if text in {"p", "q", "r"} or text in LOCAL:
            return Point(1)
        return words(text), Colour.RED.value, tools.words(text), flags

    class Model:
        def __init__(self, size):
            self.size = size

        def setup(self):
            self.kind = Kind()

        def __call__(self, x):
            return self.kind.get(Point(x + self.size)).x

    if __name__ == "__main__":
        import sys
        from geneva.transformer.pickling import pickle_by_value
        with open(sys.argv[1], "wb") as file:
            file.write(pickle_by_value((embed, Model(2))))
"""
READER = """
    import json, pickle, sys
    embed, model = pickle.loads(sys.stdin.buffer.read())
    model.setup()
    assert "shop" not in sys.modules
    result = [sorted(map(repr, embed("the cat of zed"))), embed("p").tags, model(5)]
    print(json.dumps(result))
"""


@pytest.fixture
def shop(tmp_path):
    """Return a folder with a script and the package that it uses."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/__init__.py").write_text("from . import tools\n")
    (tmp_path / "shop/tools.py").write_text(textwrap.dedent(TOOLS))
    (tmp_path / "script.py").write_text(textwrap.dedent(SCRIPT))
    return tmp_path


def _python(*arguments, cwd, **environment):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        check=False,
        timeout=60,
    )


def test_a_script_and_its_package_travel_and_are_the_same_everywhere(shop, tmp_path_factory):
    payloads = []
    # The second process reads the .pyc files that the first wrote; the third compiles all again.
    caches = [tmp_path_factory.mktemp("pyc")] * 2 + [tmp_path_factory.mktemp("pyc")]
    for seed, cache in enumerate(caches):
        done = _python(
            "script.py", "out", cwd=shop, PYTHONHASHSEED=str(seed), PYTHONPYCACHEPREFIX=str(cache)
        )
        assert done.returncode == 0, done.stderr.decode()
        payloads.append((shop / "out").read_bytes())
    assert len(set(map(digest, payloads))) == 1

    elsewhere = tmp_path_factory.mktemp("elsewhere")
    read = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(READER)],
        input=payloads[0], cwd=elsewhere, capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    values, tags, sum_ = json.loads(read.stdout)
    assert "(['cat'], True)" in values
    assert (tags, sum_) == ([], 7)


@pytest.fixture
def helper(tmp_path, monkeypatch):
    """Import a local module of the given source, and others that it imports."""
    names = []

    def load(name, source, **others):
        for module, text in {name: source, **others}.items():
            (tmp_path / f"{module}.py").write_text(text)
            names.append(module)
        monkeypatch.syspath_prepend(tmp_path)
        return importlib.import_module(name)

    yield load
    for name in names:
        sys.modules.pop(name, None)


def _without(name, payload):
    module = sys.modules.pop(name)
    try:
        return pickle.loads(payload)
    finally:
        sys.modules[name] = module


def test_what_is_registered_is_left_as_it_was(helper):
    mine = helper("mine", "def f(x): return x + 1")
    theirs = helper("theirs", "def g(x): return x + 2")
    cloudpickle.register_pickle_by_value(theirs)
    try:
        before = cloudpickle.list_registry_pickle_by_value()
        assert _without("mine", pickle_by_value(mine.f))(1) == 2
        assert _without("theirs", pickle_by_value(theirs.g))(1) == 3
        with pytest.raises(UnpicklableFunctionError):
            pickle_by_value(threading.Lock())
        assert cloudpickle.list_registry_pickle_by_value() == before
    finally:
        cloudpickle.unregister_pickle_by_value(theirs)


def test_a_module_that_refers_to_itself_and_to_another(helper):
    left = helper(
        "left",
        "import left, right\ndef f(x): return x if x > 9 else right.g(x + 1)",
        right="import left\ndef g(x): return left.f(x * 2)",
    )
    assert left.f(1) == _without("left", pickle_by_value(left.f))(1) == 10


@pytest.mark.parametrize("obj", [np.mean, json.dumps, pickle_by_value, Path, dataclasses.MISSING])
def test_installed_modules_and_geneva_go_by_reference(obj):
    assert pickle.loads(pickle_by_value(obj)) is obj


def test_geneva_is_not_local_wherever_it_lies(tmp_path):
    assert local_modules.is_local_file("mine", str(tmp_path / "mine.py"))
    assert not local_modules.is_local_file("geneva.x", str(Path(geneva.__file__).parent / "x.py"))
    assert not local_modules.is_local_file("compiled", str(tmp_path / "compiled.so"))
    assert not local_modules.is_local_file("x", "/usr/lib/python3/dist-packages/x.py")


def test_the_same_bytes_after_use():
    @dataclasses.dataclass
    class Box:
        size: int = 1

    def area(size, kinds=frozenset({"a", "b"})):
        return Box(size).size * len(kinds)

    first = pickle_by_value(area)
    for _ in range(100):
        area(2)
    assert pickle_by_value(area) == first
    assert pickle.loads(first)(3) == 6


def test_versions_of_a_class_are_kept_apart():
    def version(number):
        class Model:
            def __call__(self):
                return number

        return Model()

    first, second = (pickle.loads(pickle_by_value(version(n))) for n in (1, 2))
    assert (first(), second(), first()) == (1, 2, 1)
    one_set = {"x", "y"}
    left, right = pickle.loads(pickle_by_value(lambda: (one_set, one_set)))()
    assert left is right
    assert left == one_set


client = threading.Lock()
settings = {"pool": [1, client]}


def uses_client():
    return client


class Holder:
    def __init__(self, **attributes):
        self.__dict__.update(attributes)

    def __call__(self, x):
        return x

    def use(self):
        return self.client


class Slotted:
    __slots__ = ("lock",)

    def __init__(self):
        self.lock = threading.Lock()

    def __call__(self):
        return self.lock

    def __getstate__(self):
        return None, {"lock": self.lock}


def _closing_over(value):
    def inner():
        return value

    return inner


def _with_default(a, b=None, *, lock=client):
    return lock


def _nested():
    def inner():
        return [client for _ in range(2)]

    return inner()


class Raises:
    def __reduce__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        (uses_client, (
            "function 'uses_client' cannot be sent to workers: global 'client' of type "
            r"_thread.lock cannot be pickled \(TypeError: cannot pickle '_thread.lock' object\)\. "
            r"Create it inside the function, or in setup\(\) of a class\.")),
        (lambda: uses_client(), "function '<lambda>' .* global 'uses_client.client' of type"),
        (lambda: settings, r"global 'settings\['pool'\]\[1\]' of type _thread.lock"),
        (_nested, "function '_nested' .* global 'client'"),
        (_closing_over(Holder(x=client)), "'inner' .* closure variable 'value.x' of type _thread"),
        (_with_default, "default 'lock' of type"),
        (Holder(a=1, model=client), "object of class 'Holder' .* attribute 'model' of type"),
        (Holder(client=client).use, "'use' .* attribute '__self__.client' of type"),
        (Slotted(), "object of class 'Slotted' .* attribute 'lock' of type"),
        (functools.partial(max, client), r"attribute 'args\[0\]' of type"),
        (client, "object of class 'lock' cannot .*: it is of type _thread.lock and cannot be"),
        (lambda: Raises, None),
        (_closing_over(Raises()), r"variable 'value' of type .*Raises .*\(RuntimeError: no\)"),
        (_closing_over(iter(i for i in "ab")), "closure variable 'value' of type generator cannot"),
        (type("Klass", (), {"lock": client}), "class 'Klass' .* attribute 'lock' of type"),
    ],
)  # fmt: skip
def test_what_cannot_be_pickled_is_named(obj, message):
    if message is None:
        assert pickle_by_value(obj)
        return
    with pytest.raises(UnpicklableFunctionError, match=message) as caught:
        pickle_by_value(obj)
    assert caught.value.__cause__ is not None


def test_a_global_of_a_local_module_is_named(helper):
    helper("clients", "import threading\nlock = threading.Lock()\ndef get(): return lock")
    clients = sys.modules["clients"]
    with pytest.raises(UnpicklableFunctionError, match=r"global 'lock' of type _thread\.lock"):
        pickle_by_value(clients.get)
    with pytest.raises(UnpicklableFunctionError, match=r"closure variable 'clients\.lock' of"):
        pickle_by_value(lambda: clients.get())


def test_many_modules_cost_little(monkeypatch):
    for number in range(1000):
        module = types.ModuleType(f"many{number}")
        module.__file__ = f"{Path(os.__file__).parent}/many{number}.py"
        monkeypatch.setitem(sys.modules, module.__name__, module)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        local_modules._local_modules()
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.02  # Measured: 1 ms.
