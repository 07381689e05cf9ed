"""The cluster that the contract tests of the Ray runner share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from geneva.db import Connection


@pytest.fixture(scope="package")
def local_ray() -> Iterator[None]:
    """Keep one private cluster for all of them, and none for the tests of other folders."""
    pytest.importorskip("ray")
    with Connection.local_ray_context():
        yield


@pytest.fixture(autouse=True)
def _cluster_of_the_runner(request: pytest.FixtureRequest) -> None:
    called_with = getattr(request.node, "callspec", None)
    if called_with is not None and called_with.params.get("runner") == "ray":
        request.getfixturevalue("local_ray")
