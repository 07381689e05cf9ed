"""Jobs on real Ray clusters: where they run, what they are refused, how they share."""

from __future__ import annotations

import textwrap

import pytest

from tests.ray.programs import CLUSTER, HEAD, run


def test_blocks_share_a_cluster_and_leave_no_process_behind(tmp_path):
    out = run(
        tmp_path,
        HEAD,
        """
        @geneva.udf
        def double(id: int) -> int:
            if id == 7:
                print("seven")
            return 2 * id

        table.add_columns({"out": double})
        try:
            with db.local_ray_context():
                with db.local_ray_context():
                    table.backfill("out", progress=False)
                table.backfill("out", force=True, concurrency=2, progress=False)
                raise KeyError("mine")
        except KeyError:
            pass
        right("out", lambda i: 2 * i)
        import ray
        assert not ray.is_initialized()
        """,
    )
    seen = [line for line in out.splitlines() if line.endswith("seven")]
    assert len(seen) == 2
    assert all("applier-0 on node" in line and "rows 0-" in line for line in seen)


def test_a_row_that_crashes_its_worker_is_named(tmp_path):
    run(
        tmp_path,
        HEAD,
        """
        @geneva.udf(batch_size=5)
        def crashes(id: int) -> int:
            if id == 160:
                ctypes.string_at(0)
            return id

        table.add_columns({"out": crashes})
        with db.local_ray_context():
            try:
                table.backfill("out", progress=False)
            except errors.FatalWorkerCrashError as error:
                for words in ("row offset 60 of fragment 1 alone", "signal 11", "once", "applier-",
                              "inputs: id=160"):
                    assert words in str(error), error
            else:
                raise AssertionError("it did not fail")
            fine = geneva.udf(lambda id: id, data_type=pa.int64())
            table.alter_columns({"path": "out", "udf": fine})
            table.backfill("out", progress=False)
        right("out", lambda i: i)
        """,
    )


@pytest.mark.long
def test_a_job_goes_on_when_a_node_is_lost(tmp_path):
    run(
        tmp_path,
        HEAD,
        CLUSTER,
        """
        @geneva.udf(batch_size=5)
        def slow(id: int) -> int:
            time.sleep(0.05)
            return id + 1

        table.add_columns({"out": slow})
        threading.Timer(6, cluster.remove_node, (nodes[1], False)).start()
        started = time.monotonic()
        result = table.backfill("out", progress=False, concurrency=4)
        assert time.monotonic() - started > 6, "the node was lost too late"
        assert result.metrics["worker_losses"] > 0
        right("out", lambda i: i + 1)
        ray.shutdown()
        cluster.shutdown()
        """,
    )


def test_what_fits_no_node_is_refused_with_the_numbers(tmp_path):
    run(
        tmp_path,
        HEAD,
        CLUSTER,
        """
        @geneva.udf(label_selector={"pool": "b"})
        def here(id: int) -> str:
            import ray
            return ray.get_runtime_context().get_node_id()

        table.add_columns({"out": here, "big": geneva.udf(lambda id: id, data_type=pa.int64())})
        for asked, words in (
            ({"num_cpus": 4}, "needs 4 CPUs on one node; the largest has 2"),
            ({"num_gpus": 1}, "no node has any GPU"),
        ):
            started = time.monotonic()
            try:
                table.backfill("big", progress=False, **asked)
            except errors.ResourcesUnavailableError as error:
                assert words in str(error), error
                assert time.monotonic() - started < 3
            else:
                raise AssertionError("it was not refused")
        table.backfill("out", progress=False)
        right("out", lambda i: nodes[1].node_id)
        ray.shutdown()
        cluster.shutdown()
        """,
    )


def test_waiting_for_what_others_hold_is_shown_and_ends(tmp_path):
    run(
        tmp_path,
        HEAD,
        """
        import os
        os.environ["GENEVA_RESERVE_TIMEOUT_S"] = "3"
        table.add_columns({"out": geneva.udf(lambda id: id, data_type=pa.int64())})
        with db.local_ray_context():
            import ray
            from ray.util.placement_group import placement_group, remove_placement_group
            cpus = int(ray.cluster_resources()["CPU"])
            for free in (0.0, 0.5):
                held = placement_group([{"CPU": cpus - free}])
                ray.get(held.ready(), timeout=30)
                started = time.monotonic()
                try:
                    table.backfill("out", progress=False)
                except errors.ResourcesUnavailableError as error:
                    assert "needs" in str(error) and "GENEVA_RESERVE_TIMEOUT_S" in str(error), error
                    assert f"{free:g} CPU is free; others hold" in str(error), error
                    assert time.monotonic() - started < 10
                else:
                    raise AssertionError("it did not end")
                remove_placement_group(held)
            table.backfill("out", progress=False)
        right("out", lambda i: i)
        """,
    )


@pytest.mark.long
def test_a_second_job_gets_its_share_and_no_work_is_lost(tmp_path):
    second = """
        import sys, time
        import geneva, ray
        ray.init(address=sys.argv[2], log_to_driver=False, logging_level="ERROR")
        table = geneva.connect(sys.argv[1]).open_table("docs")
        started = time.monotonic()
        result = table.backfill("second", progress=False, concurrency=4)
        print("second took", round(time.monotonic() - started, 1))
        ray.shutdown()
    """
    (tmp_path / "second.py").write_text(textwrap.dedent(second))
    out = run(
        tmp_path,
        HEAD,
        CLUSTER,
        """
        import pathlib, subprocess

        @geneva.udf(batch_size=2)
        def slow(id: int) -> int:
            time.sleep(0.1)
            return id + 1

        @geneva.udf(batch_size=2)
        def brief(id: int) -> int:
            time.sleep(0.005)
            return id + 2

        table.add_columns({"first": slow, "second": brief})
        job = table.backfill_async("first", concurrency=4)
        while job.status().workers < 3:
            assert not job.done(), "it ended before it had grown"
            time.sleep(0.1)
        other = subprocess.run(
            [sys.executable, str(pathlib.Path(__file__).with_name("second.py")), sys.argv[1],
             cluster.address], capture_output=True, text=True, timeout=80)
        assert other.returncode == 0, other.stderr
        print(other.stdout)
        assert not job.done(), "the second job only ran after the first"
        result = job.result(timeout=80)
        assert result.metrics["worker_losses"] == 0, "a unit was taken, not given"
        right("first", lambda i: i + 1)
        right("second", lambda i: i + 2)
        ray.shutdown()
        cluster.shutdown()
        """,
    )
    assert "second took" in out


@pytest.mark.long
def test_jobs_whose_ids_begin_alike_do_not_take_each_others_places(tmp_path):
    run(
        tmp_path,
        HEAD,
        """
        @geneva.udf(batch_size=2)
        def slow(id: int) -> int:
            time.sleep(0.01)
            return id + 1

        table.add_columns({"first": slow, "second": slow})
        with db.local_ray_context():
            jobs = [
                table.backfill_async(column, concurrency=1, job_id=f"nightly-{column}")
                for column in ("first", "second")
            ]
            for job in jobs:
                assert job.result(timeout=60).metrics["worker_losses"] == 0
        right("first", lambda i: i + 1)
        right("second", lambda i: i + 1)
        """,
    )


def test_the_dashboard_that_is_not_installed_is_named_with_its_command(tmp_path):
    run(
        tmp_path,
        HEAD,
        """
        try:
            db.local_ray_context(dashboard=True)
        except errors.MissingExtraError as error:
            assert "pip install 'opengeneva[ray-dashboard]'" in str(error)
        else:
            raise AssertionError("this environment has Ray's dashboard")
        """,
    )


def test_ctrl_c_keeps_what_is_computed_and_records_the_end(tmp_path):
    run(
        tmp_path,
        HEAD,
        """
        import contextlib, os, pathlib, signal

        quick = pathlib.Path(sys.argv[1] + ".quick")

        @geneva.udf(batch_size=4)
        def slow(id: int) -> int:
            import sys, time
            if id == 3:
                sys.stdout.write("no line end")
            if not quick.exists():
                time.sleep(0.05)  # On a busy machine, too, it is at work when Ctrl-C is pressed.
            return id + 1

        table.add_columns({"out": slow})
        with db.local_ray_context():
            pressed = []

            def press():
                began = time.monotonic()
                while time.monotonic() - began < 60:
                    with contextlib.suppress(ValueError):  # There is no such job yet.
                        if db.get_job("pressed").status().rows_done:
                            break
                    time.sleep(0.1)
                pressed.append(time.monotonic())
                os.kill(os.getpid(), signal.SIGINT)

            threading.Thread(target=press).start()
            try:
                table.backfill("out", concurrency=1, progress=False, job_id="pressed")
            except KeyboardInterrupt:
                assert time.monotonic() - pressed[0] < 5
            else:
                raise AssertionError("it was not interrupted")
            record = db.get_job("pressed").record()
            assert record.status == "CANCELLED" and record.progress.rows_done > 0, record
            quick.touch()
            rest = table.backfill("out", progress=False).columns["out"].rows_processed
            assert 0 < rest < 400, rest
        right("out", lambda i: i + 1)
        assert "no line end" in "".join(db.get_job("pressed").logs())
        """,
    )
