"""Everything that can be lost on a cluster: the job ends well, or says what, where, why and what
to do, within half a minute."""

from __future__ import annotations

import pytest

from tests.ray.programs import ACTORS, CLUSTER, HEAD, run

SLOW = """
    @geneva.udf(batch_size=4)
    def slow(id: int) -> int:
        import time
        time.sleep(0.02)
        return id + 1

    table.add_columns({"out": slow})

    def in_a_while(seconds, what):
        thread = threading.Thread(target=lambda: (time.sleep(seconds), what()), daemon=True)
        thread.start()
        return thread
"""


def test_each_component_is_replaced(tmp_path):
    run(
        tmp_path,
        HEAD,
        SLOW,
        ACTORS,
        """
        import psutil

        @geneva.udf(batch_size=4)
        def slower(id: int) -> int:
            import time
            time.sleep(0.07)
            return id + 1

        table.alter_columns({"path": "out", "udf": slower})
        killed = []

        def kill():
            for role in ("applier", "tracker", "queue", "writer", "driver"):
                row = actor(role)
                psutil.Process(row.pid).kill()
                killed.append(role)
                time.sleep(0.5)

        with db.local_ray_context(num_cpus=4):
            killing = in_a_while(0.5, kill)
            result = table.backfill("out", concurrency=2, progress=False, job_id="killed")
            assert not killing.is_alive(), f"it ended before {killed} and the others were killed"
            right("out", lambda i: i + 1)
            record = db.get_job("killed").record()
            assert record.status == "DONE" and record.progress.finished, record
        """,
    )


@pytest.mark.long
def test_a_driver_that_is_lost_again_and_again_ends_the_job_with_the_reason(tmp_path):
    run(
        tmp_path,
        HEAD,
        SLOW,
        ACTORS,
        """
        import os
        import psutil

        def kill():
            while not ended:
                try:
                    psutil.Process(actor("driver", 1).pid).kill()
                except (AssertionError, psutil.Error):
                    pass
                time.sleep(0.3)

        ended = []
        with db.local_ray_context():
            killing = in_a_while(1, kill)
            try:
                table.backfill("out", progress=False, job_id="hopeless")
            except errors.DriverLostError as error:
                assert "lost 3 times (crash)" in str(error), error
            else:
                raise AssertionError("it did not fail")
            ended.append(True)
            killing.join()
            record = db.get_job("hopeless").record()
            assert record.status == "FAILED" and record.error.kind == "DriverLostError", record
            table.backfill("out", progress=False)
        right("out", lambda i: i + 1)
        """,
    )


@pytest.mark.long
def test_a_lost_head_ends_the_job_and_not_the_program(tmp_path):
    run(
        tmp_path,
        HEAD,
        SLOW,
        CLUSTER,
        """
        lost, address = [], cluster.address

        def lose():
            cluster.head_node.kill_gcs_server(check_alive=False)
            lost.append(time.monotonic())

        table.add_columns({"slower": geneva.udf(
            lambda id: time.sleep(0.2), data_type=pa.int64(), batch_size=2)})
        in_a_while(4, lose)
        try:
            table.backfill("slower", concurrency=2, progress=False)
        except errors.ClusterUnreachableError as error:
            assert address in str(error) and "head" in str(error), error
            assert time.monotonic() - lost[0] < 30
        else:
            raise AssertionError("it did not fail")
        assert not ray.is_initialized()
        cluster.shutdown()
        # The same call goes on elsewhere.
        with db.local_ray_context():
            table.backfill("out", progress=False)
        right("out", lambda i: i + 1)
        """,
    )


@pytest.mark.long
def test_a_node_that_is_cut_off_is_done_without(tmp_path):
    run(
        tmp_path,
        HEAD,
        SLOW,
        CLUSTER,
        ACTORS,
        """
        import psutil

        frozen = []

        @geneva.udf(batch_size=4)
        def slower(id: int) -> int:
            import time
            time.sleep(0.06)
            return id + 1

        table.alter_columns({"path": "out", "udf": slower})

        def freeze():
            while sum("applier" in name for name in actors()) < 3:
                time.sleep(0.1)
            # What a cut cable looks like from outside: nothing answers, nothing is closed.
            raylet = psutil.Process(nodes[0].all_processes["raylet"][0].process.pid)
            frozen.extend([raylet, *raylet.children(recursive=True)])
            for process in frozen:
                process.suspend()

        in_a_while(0, freeze)
        began = time.monotonic()
        result = table.backfill("out", concurrency=4, progress=False)
        assert frozen and result.metrics["worker_losses"] > 0
        assert time.monotonic() - began < 50, "it waited for Ray, which takes over a minute"
        right("out", lambda i: i + 1)
        for process in frozen:
            process.kill()
        ray.shutdown()
        cluster.shutdown()
        """,
    )


@pytest.mark.long
def test_a_job_grows_onto_a_new_node_and_leaves_one_that_is_taken_away(tmp_path):
    run(
        tmp_path,
        HEAD,
        CLUSTER,
        ACTORS,
        """
        from ray._private.worker import global_worker
        from ray.core.generated.autoscaler_pb2 import DrainNodeReason

        @geneva.udf(batch_size=4)
        def slow(id: int) -> int:
            import time
            time.sleep(0.06)
            return id + 1

        table.add_columns({"out": slow})
        cluster.remove_node(nodes[1])
        job = table.backfill_async("out", concurrency=4, job_id="moving")

        def appliers(node):
            rows = actors().items()
            return [n for n, row in rows if "applier" in n and row.node_id.hex() == node.node_id]

        def wait_for(what, seconds):
            began = time.monotonic()
            while not what():
                assert time.monotonic() - began < seconds, (actors().keys(), job.record())
                time.sleep(0.05)
            return time.monotonic() - began

        wait_for(lambda: appliers(nodes[0]), 20)
        new = cluster.add_node(num_cpus=2, memory=4 * 10**9, **lean)
        print("grew after", round(wait_for(lambda: len(appliers(new)) == 1, 5), 2), "s")

        reason = DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
        soon_ms = int((time.time() + 12) * 1000)
        taken, why = global_worker.gcs_client.drain_node(nodes[0].node_id, reason, "spot", soon_ms)
        assert taken, why
        print("left after", round(wait_for(lambda: not appliers(nodes[0]), 8), 2), "s")
        cluster.remove_node(nodes[0])
        result = job.result(timeout=80)
        assert result.metrics["worker_losses"] == 0, "work was lost with the node"
        right("out", lambda i: i + 1)
        ray.shutdown()
        cluster.shutdown()
        """,
    )


@pytest.mark.long
def test_what_uses_up_a_nodes_memory_is_named(tmp_path):
    run(
        tmp_path,
        """
        import os
        import psutil

        memory = psutil.virtual_memory()
        share = (memory.total - memory.available + 3e9) / memory.total
        os.environ["RAY_memory_usage_threshold"] = str(round(share, 3))
        os.environ["RAY_memory_monitor_refresh_ms"] = "100"
        """,
        HEAD,
        """
        @geneva.udf(batch_size=10)
        def hog(id: int) -> int:
            if id == 125:
                held = []
                for _ in range(80):
                    held.append(b"x" * 100_000_000)
                    time.sleep(0.03)
            return id

        table.add_columns({"out": hog})
        with db.local_ray_context():
            try:
                table.backfill("out", concurrency=1, progress=False)
            except errors.FatalWorkerOOMError as error:
                for words in ("row offset 25 of fragment 1 alone", "ran out of memory", "applier-",
                              "batch_size", "row 125, inputs: id=125"):
                    assert words in str(error), error
            else:
                raise AssertionError("it did not fail")
        """,
    )


@pytest.mark.long
@pytest.mark.parametrize("what", ["other version", "no module"])
def test_a_node_that_lacks_what_the_caller_has_is_named(tmp_path, what):
    programs = {
        # A node where Arrow says that it is another version.
        "other version": """
            folder = pathlib.Path(sys.argv[1]).with_name("other")
            folder.mkdir()
            other = "import pyarrow; pyarrow.__version__ = '3.2.1'"
            (folder / "sitecustomize.py").write_text(other)
            os.environ["PYTHONPATH"] = str(folder)
            add()
            del os.environ["PYTHONPATH"]
            fails(errors.EnvironmentMismatchError, "applier-0 on node", "runs pyarrow 3.2.1")
            """,
        # A module that only the caller's environment has, imported by the function.
        "no module": """
            folder = pathlib.Path(sys.argv[1]).with_name("site-packages")
            folder.mkdir()
            (folder / "only_here.py").write_text("def answer():\\n    return 42\\n")
            add()
            sys.path.insert(0, str(folder))
            import only_here

            @geneva.udf(num_cpus=2)
            def function(id: int) -> int:
                import only_here
                return only_here.answer()

            table.alter_columns({"path": "out", "udf": function})
            fails(errors.UDFError, "No module named 'only_here'", "where workers run")
            """,
    }
    run(
        tmp_path,
        """
        import os, pathlib, shutil
        """,
        HEAD,
        """
        import ray
        from ray.cluster_utils import Cluster

        lean = dict(include_log_monitor=False, object_store_memory=80_000_000)
        cluster = Cluster(initialize_head=True, head_node_args=dict(
            num_cpus=1, memory=3 * 10**9, include_dashboard=False, **lean))

        @geneva.udf(num_cpus=2)
        def function(id: int) -> int:
            return id

        table.add_columns({"out": function})

        def add():
            cluster.add_node(num_cpus=2, memory=4 * 10**9, **lean)
            ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")

        def fails(kind, *words):
            began = time.monotonic()
            try:
                table.backfill("out", progress=False)
            except kind as error:
                assert all(word in str(error) for word in words), error
                assert time.monotonic() - began < 30
            else:
                raise AssertionError("it did not fail")
        """,
        programs[what],
        """
        ray.shutdown()
        cluster.shutdown()
        """,
    )
