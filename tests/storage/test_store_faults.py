"""An object store that fails: what heals is not noticed, and what does not loses nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

import geneva
from tests.storage.flaky_store import KINDS, FlakyStore, flaky

ROWS = 60


@pytest.fixture
def server(store: dict[str, str]) -> Iterator[FlakyStore]:
    with flaky(store["aws_endpoint"]) as proxy:
        yield proxy


@pytest.fixture
def retries() -> str:
    """How often Lance itself tries again; by default ten times, for three minutes."""
    return "3"


@pytest.fixture
def options(store: dict[str, str], server: FlakyStore, retries: str) -> dict[str, str]:
    endpoint = f"http://127.0.0.1:{server.server_port}"
    client = {"timeout": "1s", "client_max_retries": retries}
    return {**store, "aws_endpoint": endpoint, **client}


@pytest.fixture
def table(options: dict[str, str], request: pytest.FixtureRequest, tmp_path: Path):
    """A table behind the proxy whose function notes its calls, in fragments of 20 rows."""
    calls = tmp_path / "calls"

    def noted(id: int) -> int:
        with calls.open("a") as log:
            log.write(f"{id}\n")
        return 2 * id

    db = geneva.connect(f"s3://bucket/{tmp_path.name}", storage_options=options)
    made = db.create_table("docs", pa.table({"id": range(20)}))
    for start in range(20, ROWS, 20):
        made.add(pa.table({"id": range(start, start + 20)}))
    made.add_columns({"out": geneva.udf(noted, data_type=pa.int64(), batch_size=5)})
    return made, calls


def right(table, options: dict[str, str]) -> None:
    assert values_of(table, options) == {i: 2 * i for i in range(ROWS)}


def values_of(table, options: dict[str, str]) -> dict[int, int]:
    import lance

    found = lance.dataset(table.uri, storage_options=options).to_table(columns=["id", "out"])
    return dict(zip(found["id"].to_pylist(), found["out"].to_pylist(), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_a_store_that_fails_now_and_then_is_not_noticed(table, options, server, kind):
    made, calls = table
    server.kind, server.every = kind, 6 if kind != "timeout" else 16
    made.backfill("out", runner="inline", progress=False, checkpoint_size=10, commit_granularity=1)
    server.every = 0
    assert sum(server.failed.values()) > 3, "it hardly failed"
    right(made, options)
    assert sorted(map(int, calls.read_text().split())) == list(range(ROWS)), "computed twice"


@pytest.mark.parametrize("retries", ["1"])
def test_a_store_that_stays_away_ends_the_job_and_nothing_is_lost(table, options, server, tmp_path):
    made, calls = table
    server.away = away = tmp_path / "away"

    def goes_away(id: int) -> int:
        with calls.open("a") as log:
            log.write(f"{id}\n")
        if id == 33 and not calls.with_name("back").exists():
            away.touch()
        return 2 * id

    udf = geneva.udf(goes_away, data_type=pa.int64(), batch_size=5)
    made.alter_columns({"path": "out", "udf": udf})
    began_s = time.monotonic()
    with pytest.raises(OSError, match="S3"):
        made.backfill("out", runner="inline", progress=False, checkpoint_size=10)
    assert time.monotonic() - began_s < 60
    away.unlink()
    calls.with_name("back").touch()
    made.backfill("out", runner="inline", progress=False)
    right(made, options)
    # What was durable when it went away is not computed again.
    assert len(calls.read_text().split()) <= ROWS + 10
