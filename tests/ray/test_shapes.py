"""The guide's clusters as logical resources, nodes with GPUs, nodes that an autoscaler adds."""

from __future__ import annotations

import pytest

from tests.ray.programs import ACTORS, HEAD, run

SHAPE = """
    from ray.cluster_utils import Cluster

    lean = dict(include_log_monitor=False, object_store_memory=80_000_000)

    def shaped(head, workers, count):
        cluster = Cluster(initialize_head=True, head_node_args=dict(
            num_cpus=head[0], memory=head[1] * 10**9, include_dashboard=False, **lean))
        nodes = [cluster.add_node(num_cpus=workers[0], memory=workers[1] * 10**9, **lean)
                 for _ in range(count)]
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        return cluster, nodes

    @geneva.udf(batch_size=4)
    def slow(id: int) -> int:
        import os, time
        time.sleep(float(os.environ["ROW_S"]))
        return id + 1

    os.environ["ROW_S"] = "0.05"
    table.add_columns({"out": slow})

    def settled(wanted, timeout_s=40):
        deadline = time.monotonic() + timeout_s
        while True:
            now = actors()
            counts = {role: sum(role in name for name in now) for role in wanted}
            if counts == wanted:
                return now
            assert time.monotonic() < deadline and not job.done(), counts
            time.sleep(0.1)
"""


@pytest.mark.parametrize(
    ("head", "workers", "count", "concurrency"),
    [
        pytest.param((1, 3), (2, 4), 4, 2, id="small", marks=pytest.mark.long),
        pytest.param((2, 4), (4, 8), 4, 4, id="medium", marks=pytest.mark.long),
        pytest.param((4, 8), (8, 16), 8, 8, id="large", marks=pytest.mark.long),
    ],
)
def test_the_guides_clusters_run_what_it_recommends(tmp_path, head, workers, count, concurrency):
    run(
        tmp_path,
        HEAD,
        ACTORS,
        SHAPE,
        f"""
        # So long that all are there before it ends: two cores start 26 processes for the large one.
        os.environ["ROW_S"] = "{0.045 * concurrency:.3f}"
        cluster, nodes = shaped({head}, {workers}, {count})
        job = table.backfill_async("out", concurrency={concurrency})
        now = settled({{"driver": 1, "tracker": 1, "applier": {concurrency}}})
        ids = {{name.split(".")[0] for row in now.values() for name in [row.name]}}
        assert ids == {{f"geneva:{{job.job_id[:8]}}"}}, ids
        groups = [row for row in ray.util.placement_group_table().values()
                  if row["state"] == "CREATED"]
        bundles = [bundle for row in groups for bundle in row["bundles"].values()]
        held = {{kind: round(sum(bundle.get(kind, 0) for bundle in bundles), 4)
                for kind in ("CPU", "memory")}}
        # The guide's arithmetic, with the shares of driver and tracker in the core.
        assert held == {{"CPU": round({concurrency} * 1.1 + 0.2, 4),
                        "memory": {concurrency} * 2**30 + 128 * 2**20}}, held
        asked = {{role: actor(role, 60).required_resources for role in
                 ("driver", "tracker", "applier", "writer", "queue")}}

        def share(each, kind):  # Inside of a group Ray calls it kind_group_...
            return next((n for name, n in each.items() if name.split("_group_")[0] == kind), 0)

        kinds = {{role: (share(each, "CPU"), share(each, "memory"))
                 for role, each in asked.items()}}
        assert kinds == {{"driver": (0, 0), "tracker": (0.1, 128 * 2**20), "applier": (1, 0),
                         "writer": (0.1, 2**30), "queue": (0, 0)}}, asked
        assert len(groups) == {concurrency} and sum("core" in row["name"] for row in groups) == 1
        job.cancel()
        assert job.done(timeout=20)
        ray.shutdown()
        cluster.shutdown()
        """,
    )


@pytest.mark.long
def test_gpus_fractions_and_other_resources_are_where_they_are_asked_for(tmp_path):
    run(
        tmp_path,
        HEAD,
        ACTORS,
        SHAPE,
        """
        cluster, nodes = shaped((2, 4), (3, 6), 0)
        gpus = cluster.add_node(num_cpus=3, num_gpus=2, memory=6 * 10**9,
                                resources={"scanner": 1}, labels={"pool": "gpu"}, **lean)

        def where(**options):
            @geneva.udf(batch_size=10, **options)
            def function(id: int) -> str:
                import os, ray, time
                time.sleep(0.01)
                node = ray.get_runtime_context().get_node_id()
                return f"{node} {os.environ.get('CUDA_VISIBLE_DEVICES')}"

            column = "c" + "_".join(options)
            table.add_columns({column: function})
            job = table.backfill_async(column, concurrency=2, where="id < 60")
            seen = actor("applier")
            job.result(timeout=60)
            table.checkout_latest()
            texts = table.to_arrow()[column].drop_null().to_pylist()
            answers = {tuple(text.split()) for text in texts}
            assert len(texts) == 60
            return seen, {node for node, _ in answers}, {devices for _, devices in answers}

        row, on, devices = where(num_gpus=1)
        assert on == {gpus.node_id} and devices <= {"0", "1"}, (on, devices)
        row, on, devices = where(num_gpus=0.5, num_cpus=0.25)
        assert on == {gpus.node_id} and devices <= {"0", "1"}, (on, devices)
        assert row.required_resources["GPU"] == 0.5 and row.required_resources["CPU"] == 0.25
        row, on, _ = where(resources={"scanner": 1}, num_cpus=0.5)
        assert on == {gpus.node_id}, on
        row, on, _ = where(label_selector={"pool": "!gpu"})
        assert on and gpus.node_id not in on, on
        try:
            table.backfill("cnum_gpus", num_gpus=3, progress=False)
        except errors.ResourcesUnavailableError as error:
            assert "3 GPUs on one node; the largest has 2 GPUs" in str(error), error
        else:
            raise AssertionError("it was not refused")
        ray.shutdown()
        cluster.shutdown()
        """,
    )


@pytest.mark.long
def test_an_autoscaler_is_asked_before_a_job_is_refused_and_while_it_grows(tmp_path):
    run(
        tmp_path,
        HEAD,
        ACTORS,
        """
        from tests.ray.autoscaling import AutoscalingCluster

        @geneva.udf(batch_size=4, num_cpus=2)
        def slow(id: int) -> int:
            import time
            time.sleep(0.04)
            return id + 1

        table.add_columns({"out": slow})
        cluster = AutoscalingCluster(
            {"CPU": 1, "memory": 3e9}, {"CPU": 2, "memory": 4e9}, most_nodes=2)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        began = time.monotonic()
        try:
            table.backfill("out", num_cpus=4, progress=False)
        except errors.ResourcesUnavailableError as error:
            assert "autoscaler has no type of node" in str(error), error
            assert "needs 4 CPUs" in str(error) and time.monotonic() - began < 15
        else:
            raise AssertionError("it was not refused")
        job = table.backfill_async("out", concurrency=4)
        most = 0
        while not job.done():
            most = max(most, sum("applier" in name for name in actors()))
            time.sleep(0.2)
        job.result()
        assert most == 2, most
        right("out", lambda i: i + 1)
        ray.shutdown()
        cluster.shutdown()
        """,
    )
