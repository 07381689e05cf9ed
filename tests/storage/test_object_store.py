"""The same engine on an object store: a real S3 server process."""

from __future__ import annotations

import lance
import pyarrow as pa
import pytest

import geneva
from geneva import errors
from tests.ray.programs import run


@pytest.mark.parametrize("name", ["inline", "process"])
def test_backfill_resume_and_search(store, name, tmp_path):
    db = geneva.connect(f"s3://bucket/{name}", storage_options=store)
    ids = pa.table({"id": range(60)})
    table = db.create_table("docs", ids.slice(0, 30))
    table.add(ids.slice(30))
    mended = tmp_path / "mended"

    @geneva.udf(data_type=pa.list_(pa.float32(), 2), batch_size=5)
    def vector(id: int) -> list[float]:
        if id == 47 and not mended.exists():
            raise ValueError("not yet")
        return [float(id), 0.0]

    table.add_columns({"vector": vector})
    sizes = {"checkpoint_size": 10, "runner": name, "progress": False}
    with pytest.raises(errors.UDFError, match="not yet"):
        table.backfill("vector", concurrency=1, **sizes)
    left = table.plan_backfill("vector").total_rows_pending
    assert left == 60 - 47
    mended.touch()
    again = geneva.connect(f"s3://bucket/{name}", storage_options=store).open_table("docs")
    assert again.backfill("vector", **sizes).columns["vector"].rows_processed == left
    assert table.search([13.0, 0.0], "vector").limit(1).to_list()[0]["id"] == 13
    found = lance.dataset(table.uri, storage_options=store).to_table()
    assert found["vector"].to_pylist() == [[float(i), 0.0] for i in found["id"].to_pylist()]
    files = lance.file.LanceFileSession(table.uri, storage_options=store).list()
    assert not [f for f in files if f.endswith(".arrow")]
    assert sorted(db.table_names()) == ["docs"]
    db.drop_table("docs")
    with pytest.raises(errors.TableNotFoundError):
        db.open_table("docs")


@pytest.mark.long
def test_a_store_that_only_the_cluster_cannot_reach_is_named(store, tmp_path):
    run(
        tmp_path,
        f"""
        import os, sys, time
        import geneva
        import pyarrow as pa
        import ray
        from geneva import errors
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args=dict(
            num_cpus=3, memory=4 * 10**9, include_dashboard=False, include_log_monitor=False,
            object_store_memory=80_000_000))
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")

        # Only this process knows where the bucket is.
        os.environ["AWS_ENDPOINT"] = os.environ["AWS_ENDPOINT_URL"] = {store["aws_endpoint"]!r}
        options = {{k: v for k, v in {store!r}.items() if k != "aws_endpoint"}}
        db = geneva.connect("s3://bucket/only-here", storage_options=options)
        table = db.create_table("docs", pa.table({{"id": [1, 2, 3]}}))
        table.add_columns({{"out": geneva.udf(lambda id: id, data_type=pa.int64())}})
        began = time.monotonic()
        try:
            table.backfill("out", progress=False, job_id="unreachable")
        except errors.WorkerStorageError as error:
            for words in ("driver on node", "credentials", "network"):
                assert words in str(error), error
            assert time.monotonic() - began < 45, time.monotonic() - began
        else:
            raise AssertionError("it did not fail")
        assert db.get_job("unreachable").record().status == "FAILED"
        ray.shutdown()
        cluster.shutdown()
        """,
    )
