"""The troubleshooting of the resource guide, as tests: each program produces a symptom's situation
and sees that it cannot arise, or that the user reads why, and that what the guide advises helps.

Elsewhere: a batch that needs more memory than its node has
(``test_failures.py::test_what_uses_up_a_nodes_memory_is_named``), and every component killed
(``test_failures.py::test_each_component_is_replaced``).
"""

from __future__ import annotations

import pytest

from tests.ray.programs import ACTORS, CLUSTER, HEAD, run

WAITS = """
    import contextlib, io, os
    import ray

    @geneva.udf(batch_size=4)
    def slow(id: int) -> int:
        import time
        time.sleep(0.05)
        return id + 1

    table.add_columns({"out": slow, "other": slow})

    def fails(kind, words, **arguments):
        try:
            table.backfill("out", progress=False, **arguments)
        except kind as error:
            missing = [word for word in words if word not in str(error)]
            assert not missing, (missing, str(error))
            return str(error)
        raise AssertionError("it did not fail")

    def wait_for(what, seconds=20):
        began = time.monotonic()
        while not (found := what()):
            assert time.monotonic() - began < seconds, [job.record() for job in jobs]
            time.sleep(0.05)
        return found

    jobs = []
"""
HANGS = """
    os.environ.update(GENEVA_RESERVE_TIMEOUT_S="4", GENEVA_PROGRESS_INTERVAL_S="1")
"""


# -- Job hangs at 0 % ------------------------------------------------------------------------------


@pytest.mark.long
def test_zero_percent_too_much_concurrency_runs_with_less_and_what_fits_nowhere_is_refused(
    tmp_path,
):
    """The guide's Small cluster, and its example: concurrency=8 with one CPU each."""
    run(
        tmp_path,
        HEAD,
        ACTORS,
        WAITS,
        """
        import re
        from ray.cluster_utils import Cluster

        lean = dict(include_log_monitor=False, object_store_memory=80_000_000)
        cluster = Cluster(initialize_head=True, head_node_args=dict(
            num_cpus=1, memory=3 * 10**9, include_dashboard=False, **lean))
        for _ in range(4):
            cluster.add_node(num_cpus=2, memory=4 * 10**9, **lean)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")

        began = time.monotonic()
        text = fails(errors.ResourcesUnavailableError,
                     ["needs 4 CPUs on one node; the largest has 2", "Lower num_cpus to "],
                     num_cpus=4)
        assert time.monotonic() - began < 3
        lower = float(re.search(r"Lower num_cpus to ([0-9.]+)", text)[1])
        table.backfill("out", progress=False, num_cpus=lower, where="id < 20")

        table.backfill("out", progress=False, concurrency=8)
        right("out", lambda i: i + 1)
        ray.shutdown()
        cluster.shutdown()
        """,
    )


def test_zero_percent_while_another_job_holds_everything_names_it_and_the_node(tmp_path):
    run(
        tmp_path,
        "import os",
        HANGS,
        HEAD,
        ACTORS,
        WAITS,
        """
        with db.local_ray_context(num_cpus=2):
            # Another job of ours: its only unit is one that a job never gives up.
            other = table.backfill_async("other", concurrency=1, job_id="nightly-7")
            actor("applier")
            job = table.backfill_async("out", job_id="waits")
            words = ["1 CPU on one node", "job nightly-7 holds 1.3 CPUs", " is free", " on "]
            seen = wait_for(lambda: job.status().waiting_for, 8)
            assert all(word in seen for word in words), seen
            said = job.explain()
            for words_of_it in ("docs.out", "A lack of resources limits it", seen,
                                "Change db.get_job('nightly-7').pause()"):
                assert words_of_it in said, said
            try:
                job.result(timeout=20)
            except errors.ResourcesUnavailableError as error:
                words += ["GENEVA_RESERVE_TIMEOUT_S", "within 4 s"]
                assert all(word in str(error) for word in words), error
            else:
                raise AssertionError("it did not fail")
            assert job.status().rows_done == 0 and not other.done()
            assert "A lack of resources limits it" in job.explain(), job.explain()
            assert db.get_job("nightly-7").pause(timeout=20)
            table.backfill("out", progress=False, concurrency=2, where="id < 20")
            other.cancel()
            assert other.done()
        """,
    )


def test_zero_percent_while_somebodys_actor_holds_everything_is_shown_as_progress(tmp_path):
    run(
        tmp_path,
        "import os",
        HANGS,
        HEAD,
        WAITS,
        """
        with db.local_ray_context(num_cpus=2):
            @ray.remote
            class Tenant:
                def ready(self):
                    return True

            tenant = Tenant.options(num_cpus=2).remote()
            ray.get(tenant.ready.remote())
            shown = io.StringIO()
            with contextlib.redirect_stderr(shown), contextlib.redirect_stdout(shown):
                try:
                    table.backfill("out")
                except errors.ResourcesUnavailableError as error:
                    assert "0 CPU is free; others hold 2 CPUs" in str(error), error
                else:
                    raise AssertionError("it did not fail")
            lines = shown.getvalue().splitlines()
            line = next(line for line in lines if "others hold" in line)
            assert "docs.out 0 %" in line and "others hold 2 CPUs" in line, shown.getvalue()

            ray.kill(tenant)
            table.backfill("out", progress=False, concurrency=2, where="id < 20")
        """,
    )


@pytest.mark.long
def test_zero_percent_while_a_node_starts_says_so(tmp_path):
    run(
        tmp_path,
        HEAD,
        ACTORS,
        WAITS,
        """
        from tests.ray.autoscaling import AutoscalingCluster

        cluster = AutoscalingCluster(
            {"CPU": 1, "memory": 3e9}, {"CPU": 2, "memory": 4e9}, most_nodes=1, startup_s=5)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        job = table.backfill_async("out", num_cpus=2, concurrency=1, where="id < 20")
        seen = set()
        while not job.done():
            seen.add(job.status().waiting_for)
            time.sleep(0.1)
        job.result(timeout=60)
        words = "the autoscaler is starting 1 node of type node for "
        assert any(words in text for text in seen), seen
        ray.shutdown()
        cluster.shutdown()
        """,
    )


# -- Progress stalls partway -----------------------------------------------------------------------


@pytest.mark.long
def test_part_way_a_worker_and_the_place_of_a_unit_are_lost_and_the_job_goes_on(tmp_path):
    run(
        tmp_path,
        HEAD,
        CLUSTER,
        ACTORS,
        WAITS,
        """
        import psutil
        from ray.util.placement_group import get_placement_group, remove_placement_group
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        @ray.remote(num_cpus=1)
        class Tenant:
            def ready(self):
                return True

        job = table.backfill_async("out", concurrency=2)
        jobs.append(job)
        wait_for(lambda: job.status().rows_done > 0 and job.status().workers == 2)
        psutil.Process(actor("applier-0").pid).kill()
        time.sleep(1)

        # Somebody takes a unit's place away and all that is free besides.
        groups = ray.util.placement_group_table().values()
        unit = next(row for row in groups if ":unit-" in row["name"] and row["state"] == "CREATED")
        remove_placement_group(get_placement_group(unit["name"]))
        tenants = []
        for node in [cluster.head_node, *nodes, *nodes]:
            here = NodeAffinitySchedulingStrategy(node.node_id, soft=False)
            tenants.append(Tenant.options(scheduling_strategy=here).remote())
        words = ["a further applier needs 1 CPU on one node", "others"]
        wait_for(lambda: all(word in job.status().waiting_for for word in words))
        words = "limits it: a further applier needs 1 CPU"
        said = wait_for(lambda: next((t for t in [job.explain()] if words in t), ""))
        assert "Change job.set_concurrency(1): it asks for no more" in said, said
        assert not job.done() and job.status().rows_done < 400
        result = job.result(timeout=60)
        assert result.metrics["worker_losses"] >= 2, result.metrics
        right("out", lambda i: i + 1)
        ray.shutdown()
        cluster.shutdown()
        """,
    )


# -- Slow despite available resources --------------------------------------------------------------


@pytest.mark.long
def test_slow_more_concurrency_and_threads_help_a_function_that_waits(tmp_path):
    run(
        tmp_path,
        "import os",
        HANGS,
        HEAD,
        WAITS,
        """
        @geneva.udf
        def waits(id: int) -> float:
            import time
            time.sleep(0.04)
            return time.time()

        @geneva.udf(data_type=pa.int64())
        def sizes(id: pa.Array) -> pa.Array:
            return pa.array([len(id)] * len(id), pa.int64())

        more = pa.table({"id": list(range(400, 2400))})
        table.add_columns({"waits": waits, "sizes": sizes})
        with db.local_ray_context(num_cpus=6):
            most, shown = {}, io.StringIO()
            for concurrency, threads in ((1, 1), (1, 2), (4, 1)):
                with contextlib.redirect_stderr(shown), contextlib.redirect_stdout(shown):
                    result = table.backfill("waits", force=True, concurrency=concurrency,
                                            intra_applier_concurrency=threads)
                assert result.concurrency == concurrency
                table.checkout_latest()
                ends = sorted(table.to_arrow()["waits"].to_pylist())
                # Rows of the best second: starting processes takes longer than the job itself.
                most[concurrency, threads] = max(
                    sum(end <= one < end + 1 for one in ends) for end in ends)
            assert most[1, 2] > 1.5 * most[1, 1] and most[4, 1] > 1.8 * most[1, 1], most
            # What is too low is read from the line: how many at most, and where the time goes.
            assert "at most 1 " in shown.getvalue(), shown.getvalue()
            assert "mostly the function" in shown.getvalue(), shown.getvalue()
            table.add(more)
            table.backfill("sizes", progress=False)
        table.checkout_latest()
        found = table.to_arrow()["sizes"].to_pylist()
        assert min(found) <= 32 < max(found), (min(found), max(found))
        """,
    )


# -- Job fails after multiple retries --------------------------------------------------------------


def test_after_retries_the_error_names_the_place_and_the_rest_is_kept_and_can_be_completed(
    tmp_path,
):
    run(
        tmp_path,
        HEAD,
        WAITS,
        """
        @geneva.udf(batch_size=5)
        def leaves(id: int) -> int:
            import os
            if id == 160:
                os._exit(7)
            return id + 1

        table.alter_columns({"path": "out", "udf": leaves})
        with db.local_ray_context(num_cpus=4):
            node = ray.nodes()[0]["NodeManagerAddress"]
            began = time.monotonic()
            fails(errors.FatalWorkerExitError,
                  ["docs.out", "3 times", "row offset 60 of fragment 1 alone", "applier-",
                   "row 160, inputs: id=160",
                   f"on node {node}", "ends or crashes the process",
                   "What was computed before is kept"])
            assert time.monotonic() - began < 30
            said = db.get_job(db.list_jobs()[0].job_id).explain()
            for words in ("The loss of workers limits it", "60 of fragment 1",
                          "Change on_error=[Skip(FatalWorkerError)]"):
                assert words in said, said
            plan = table.plan_backfill("out")
            assert 0 < plan.total_rows_pending < 400, plan  # Other fragments are done.
            result = table.backfill("out", progress=False, where="id <> 160")
            assert result.columns["out"].rows_processed == plan.total_rows_pending - 1
            table.checkout_latest()
            found = table.to_arrow().filter(pa.compute.field("id") != 160)
            assert found["out"].to_pylist() == [i + 1 for i in found["id"].to_pylist()]
        """,
    )
