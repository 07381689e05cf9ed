"""Fixtures that all tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

import geneva
from geneva.db import Connection

RUNNERS = ("inline", "process", "ray")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--runner",
        choices=RUNNERS,
        action="append",
        help="run the contract tests on this runner only",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "runner" in metafunc.fixturenames:
        runners = metafunc.config.getoption("--runner") or RUNNERS
        if "meanwhile" in metafunc.fixturenames:
            # It changes the driver, which runs in a process of the cluster's on Ray; tests/ray has
            # changes during a job there.
            runners = [runner for runner in runners if runner != "ray"]
        metafunc.parametrize("runner", runners)


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    """Keep one private cluster for a module's tests, and none for the next: it would run there."""
    with Connection.local_ray_context():
        yield


@pytest.fixture(autouse=True)
def _cluster_of_the_runner(request: pytest.FixtureRequest) -> None:
    called_with = getattr(request.node, "callspec", None)
    if called_with is not None and called_with.params.get("runner") == "ray":
        request.getfixturevalue("local_ray")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Connection]:
    with geneva.connect(tmp_path / "db") as connection:
        yield connection


@pytest.fixture
def make_table(db: Connection):
    """Make a table of integers ``id`` with texts, in fragments of a given size."""

    def make(rows: int = 100, per_fragment: int = 40, name: str = "docs"):
        def batch(start: int, stop: int) -> pa.Table:
            ids = list(range(start, stop))
            return pa.table({"id": ids, "text": [" ".join(["w"] * (i % 7)) for i in ids]})

        table = db.create_table(name, batch(0, min(rows, per_fragment)))
        for start in range(per_fragment, rows, per_fragment):
            table.add(batch(start, min(rows, start + per_fragment)))
        return table

    return make


def values(table, column: str, key: str = "id") -> dict:
    """Return a column by key, read by Lance at the latest version."""
    import lance

    found = lance.dataset(table.uri).to_table(columns=[key, column])
    return dict(zip(found[key].to_pylist(), found[column].to_pylist(), strict=True))
