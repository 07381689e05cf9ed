"""Fixtures that all tests share."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

import geneva
from geneva.db import Connection
from tests.s3_server import store  # noqa: F401 - a fixture

RUNNERS = ("inline", "process", "ray")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--runner",
        choices=RUNNERS,
        action="append",
        help="run the contract tests on this runner only",
    )
    parser.addoption(
        "--store",
        choices=("local", "s3"),
        default="local",
        help="where the tables of tests are that do not say it themselves",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--runner"):
        items[:] = [item for item in items if not _is_left_out_on_ray(item)]
    if config.getoption("--store") == "local":
        return
    elsewhere = [item for item in items if "db" in getattr(item, "fixturenames", ())]
    items[:] = [item for item in elsewhere if item.get_closest_marker("local_files") is None]


def _is_left_out_on_ray(item: pytest.Item) -> bool:
    called_with = getattr(item, "callspec", None)
    on_ray = called_with is not None and called_with.params.get("runner") == "ray"
    return on_ray and item.get_closest_marker("same_on_ray") is not None


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


@pytest.fixture(scope="session")
def object_store(store: dict[str, str]) -> Iterator[str]:  # noqa: F811
    """Let this process and its workers reach a store by URI alone."""
    variables = {name.upper(): value for name, value in store.items() if name != "allow_http"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**variables, "AWS_ALLOW_HTTP": "true"}.items():
            patch.setenv(name, value)
        yield "s3://bucket"


@pytest.fixture
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Connection]:
    """A database on the local disk, or in an object store with ``--store s3``."""
    uri = str(tmp_path / "db")
    if request.config.getoption("--store") == "s3":
        uri = f"{request.getfixturevalue('object_store')}/{uuid.uuid4().hex}"
    with geneva.connect(uri) as connection:
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
