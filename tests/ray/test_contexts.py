"""Blocks: which cluster they use, what they share, what they leave behind."""

from __future__ import annotations

import pytest

from tests.ray.programs import HEAD, run

ONE_NODE = """
    import ray
    from ray.cluster_utils import Cluster
    from geneva.cluster import ExitMode, GenevaCluster

    cluster = Cluster(initialize_head=True, head_node_args=dict(
        num_cpus=3, memory=4 * 10**9, include_dashboard=False, include_log_monitor=False,
        object_store_memory=80_000_000))
    db.define_cluster("mine", GenevaCluster.create_external("mine", cluster.address).build())
    db.define_cluster("gone", GenevaCluster.create_external("gone", "127.0.0.1:9").build())
    db.define_cluster("here", GenevaCluster.create_local("here").build())

    @geneva.udf(batch_size=5)
    def slow(id: int) -> int:
        time.sleep(0.002)
        return id + 1

    table.add_columns({"out": slow})
"""


def test_blocks_use_the_cluster_that_they_name(tmp_path):
    run(
        tmp_path,
        HEAD,
        ONE_NODE,
        """
        import os

        def refused(kind, *words):
            def check(error):
                assert isinstance(error, kind), repr(error)
                assert all(word in str(error) for word in words), error
            return check

        def fails(block, check):
            try:
                with block:
                    raise AssertionError("the block began")
            except AssertionError:
                raise
            except Exception as error:
                check(error)

        try:
            db.context("unknown")
        except ValueError as error:
            assert "gone, here, mine" in str(error), error
        began = time.monotonic()
        fails(db.context("gone"), refused(errors.ClusterUnreachableError, "127.0.0.1:9"))
        assert time.monotonic() - began < 8
        assert geneva.get_current_context() is None and not ray.is_initialized()

        with db.context("mine") as outer:
            assert geneva.get_current_context() is outer and outer.cluster_name == "mine"
            table.backfill("out", progress=False)
            assert "PYTHONBREAKPOINT" not in os.environ, "a debugger stops elsewhere"
            fails(db.context("gone"), refused(ValueError, "connected to", cluster.address))
            with db.context("mine") as inner, db.local_ray_context():
                table.backfill("out", progress=False, force=True)
            assert ray.is_initialized(), "the inner block ended the outer one's connection"
            # The block waits for what it began.
            job = table.backfill_async("out", force=True, concurrency=1)
            assert not job.done()
        assert job.done() and not ray.is_initialized()
        right("out", lambda i: i + 1)

        # Jobs on a cluster of somebody else's go on where nobody waits for them.
        with db.context("mine", on_exit=ExitMode.RETAIN):
            job = table.backfill_async("out", force=True, concurrency=1)
        assert not ray.is_initialized() and not job.done()
        job.result(timeout=60)

        # A program that is connected already stays it.
        ray.init(address=cluster.address, log_to_driver=False)
        with db.context("mine"):
            table.backfill("out", progress=False, force=True)
        assert ray.is_initialized()
        ray.shutdown()

        # The variable that Ray itself knows.
        os.environ["RAY_ADDRESS"] = cluster.address
        assert not ray.is_initialized()
        table.backfill("out", progress=False, force=True)
        assert ray.is_initialized()
        ray.shutdown()
        os.environ["RAY_ADDRESS"] = "auto"
        try:
            table.backfill("out", progress=False, force=True)
        except ValueError as error:
            assert "RAY_ADDRESS='auto'" in str(error), error
        table.backfill("out", progress=False, force=True, runner="process")
        cluster.shutdown()
        """,
    )


@pytest.mark.long
def test_a_local_cluster_ends_as_it_is_told(tmp_path):
    run(
        tmp_path,
        HEAD,
        ONE_NODE,
        """
        import warnings
        cluster.shutdown()
        with db.context("here", on_exit=ExitMode.RETAIN):
            address = ray.get_runtime_context().gcs_address
            table.backfill("out", progress=False)
        assert ray.is_initialized()
        try:
            with db.context("here", on_exit=ExitMode.RETAIN_ON_FAILURE):
                raise KeyError("mine")
        except KeyError:
            pass
        assert ray.is_initialized() and ray.get_runtime_context().gcs_address == address

        # What takes too long is stopped, with everything computed kept.
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with db.context("here", wait_timeout=0.5):
                assert ray.get_runtime_context().gcs_address == address
                job = table.backfill_async("out", force=True, concurrency=1)
        assert any(job.job_id in str(warning.message) for warning in caught), caught
        assert not ray.is_initialized()
        assert job.record().status == "CANCELLED", job.record()

        # So is what a block that raised had begun.
        try:
            with db.local_ray_context():
                job = table.backfill_async("out", force=True, concurrency=1)
                raise KeyError("mine")
        except KeyError:
            pass
        assert job.record().status == "CANCELLED", job.record()
        """,
    )


@pytest.mark.long
def test_a_machine_that_is_no_node_connects_through_the_head(tmp_path):
    run(
        tmp_path,
        HEAD,
        """
        import socket
        import ray
        from geneva.cluster import GenevaCluster
        from ray.cluster_utils import Cluster

        with socket.socket() as probe:
            probe.bind(("", 0))
            port = probe.getsockname()[1]
        cluster = Cluster(initialize_head=True, head_node_args=dict(
            num_cpus=3, memory=4 * 10**9, include_dashboard=False, include_log_monitor=False,
            object_store_memory=80_000_000, ray_client_server_port=port))
        until = time.monotonic() + 30  # The head's client server comes after the head.
        while socket.socket().connect_ex((cluster.address.partition(":")[0], port)):
            assert time.monotonic() < until
            time.sleep(0.2)
        address = f"ray://{cluster.address.partition(':')[0]}:{port}"
        db.define_cluster("far", GenevaCluster.create_external("far", address).build())

        @geneva.udf
        def function(id: int) -> int:
            if id == 99:
                raise KeyError("ninety-nine")
            return id

        fine = geneva.udf(lambda id: id, data_type=pa.int64())
        table.add_columns({"out": function})
        with db.context("far"):
            try:
                table.backfill("out", progress=False)
            except errors.UDFError as error:
                assert isinstance(error.__cause__, KeyError), error
            else:
                raise AssertionError("it did not fail")
            table.alter_columns({"path": "out", "udf": fine})
            table.backfill("out", progress=False)
            assert table.backfill_async("out", force=True).result(timeout=60)
        right("out", lambda i: i)
        cluster.shutdown()
        """,
    )
