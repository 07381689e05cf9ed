"""The cluster that the contract tests of the Ray runner share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from geneva.db import Connection


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """Keep one private cluster for all of them: starting one takes 1.5 s each time."""
    pytest.importorskip("ray")
    with Connection.local_ray_context():
        yield


@pytest.fixture(autouse=True)
def _cluster_of_the_runner(request: pytest.FixtureRequest) -> None:
    if (
        request.node.callspec.params.get("runner") == "ray"
        if hasattr(request.node, "callspec")
        else False
    ):
        request.getfixturevalue("local_ray")
