"""Jobs in the background of a cluster: without their caller, from any process."""

from __future__ import annotations

import textwrap

import pytest

from tests.ray.programs import ACTORS, CLUSTER, HEAD, run


def test_a_job_outlives_its_caller_and_is_reached_by_its_id(tmp_path):
    caller = """
        import os, signal, sys
        import geneva, ray

        ray.init(address=sys.argv[2], log_to_driver=False, logging_level="ERROR")
        table = geneva.connect(sys.argv[1]).open_table("docs")
        job = table.backfill_async("out", concurrency=2)
        print(job.job_id, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    (tmp_path / "caller.py").write_text(textwrap.dedent(caller))
    run(
        tmp_path,
        HEAD,
        CLUSTER,
        ACTORS,
        """
        import pathlib, subprocess

        @geneva.udf(batch_size=4)
        def slow(id: int) -> int:
            import time
            if id == 399:
                print("the last one")
            time.sleep(0.02)
            return id + 1

        table.add_columns({"out": slow})

        def submitted():
            program = pathlib.Path(__file__).with_name("caller.py")
            done = subprocess.run([sys.executable, str(program), sys.argv[1], cluster.address],
                                  capture_output=True, text=True, timeout=60)
            assert done.returncode == -9, done.stderr
            return db.get_job(done.stdout.strip())

        ray.shutdown()  # What follows needs the database alone.
        job = submitted()
        assert job.table_name == "docs" and job.column_names == ["out"] and not job.done()
        try:
            job.result(timeout=0.1)
        except TimeoutError as error:
            assert job.job_id in str(error)
        while job.status().rows_done == 0:
            time.sleep(0.1)
        began = time.monotonic()
        job.cancel()
        try:
            job.result(timeout=20)
        except errors.JobCancelledError as error:
            assert "kept" in str(error)
        else:
            raise AssertionError("it was not cancelled")
        assert time.monotonic() - began < 6

        # Others change the table meanwhile; their rows are for the next backfill.
        job = submitted()
        import lance
        lance.dataset(table.uri).delete("id = 3")
        lance.dataset(table.uri).optimize.compact_files(target_rows_per_fragment=200)
        table.checkout_latest()
        table.add(pa.table({"id": [400]}))
        result = job.result(timeout=60)
        assert 0 < result.columns["out"].rows_processed <= 400
        db.open_table("docs").backfill("out", progress=False, runner="process")
        table.checkout_latest()
        assert table.count_rows() == 400
        right("out", lambda i: i + 1)
        assert job.done() and job.status().finished
        (line,) = job.logs()
        assert "applier-" in line, line
        assert line.endswith("the last one"), line

        try:
            db.get_job("never")
        except ValueError as error:
            assert "never" in str(error)

        # Nothing of the jobs is left on the cluster.
        ray.init(address=cluster.address, log_to_driver=False)
        deadline = time.monotonic() + 10
        while actors():
            assert time.monotonic() < deadline, actors().keys()
            time.sleep(0.1)
        ray.shutdown()
        cluster.shutdown()
        """,
    )


@pytest.mark.long
def test_a_job_without_its_caller_survives_its_driver_and_ends_when_the_cluster_does(tmp_path):
    run(
        tmp_path,
        HEAD,
        CLUSTER,
        ACTORS,
        """
        import psutil

        @geneva.udf(batch_size=4)
        def slow(id: int) -> int:
            import time
            time.sleep(0.03)
            return id + 1

        table.add_columns({"out": slow, "never": slow})
        job = table.backfill_async("out", concurrency=3)
        first = actor("driver").pid
        while not job.history().workers:
            time.sleep(0.1)
        psutil.Process(first).kill()
        job.result(timeout=60)
        right("out", lambda i: i + 1)
        # Its history goes on, too.
        history = job.history()
        ends = {span.end for span in history.workers}
        assert ends == {"lost with its driver", "released"}, history.workers
        for lost in (span for span in history.workers if span.end != "released"):
            assert any(span.began_s > lost.ended_s for span in history.workers), history.workers
        times = [sample.elapsed_s for sample in history.samples]
        assert times == sorted(times), times

        job = table.backfill_async("never", concurrency=1)
        actor("applier")
        ray.shutdown()
        cluster.shutdown()
        began = time.monotonic()
        try:
            job.result(timeout=60)
        except errors.DriverLostError as error:
            assert job.job_id in str(error) and time.monotonic() - began < 35
        else:
            raise AssertionError("it ended")
        assert job.done()
        """,
    )


@pytest.mark.long
def test_a_caller_that_is_killed_takes_its_job_with_it(tmp_path):
    caller = """
        import sys
        import geneva, ray

        ray.init(address=sys.argv[2], log_to_driver=False, logging_level="ERROR")
        table = geneva.connect(sys.argv[1]).open_table("docs")
        table.backfill("out", concurrency=1, progress=False, job_id="orphan")
    """
    (tmp_path / "caller.py").write_text(textwrap.dedent(caller))
    run(
        tmp_path,
        HEAD,
        CLUSTER,
        ACTORS,
        """
        import pathlib, subprocess

        @geneva.udf(batch_size=4)
        def slow(id: int) -> int:
            import time
            time.sleep(0.2)
            return id + 1

        table.add_columns({"out": slow})
        program = pathlib.Path(__file__).with_name("caller.py")
        caller = subprocess.Popen([sys.executable, str(program), sys.argv[1], cluster.address])
        actor("applier")
        caller.kill()
        caller.wait()
        began = time.monotonic()
        while actors():
            assert time.monotonic() - began < 30, actors().keys()
            time.sleep(0.2)
        record = db.get_job("orphan").record()
        assert record.status == "CANCELLED" and "not been heard of" in record.error.message, record
        ray.shutdown()
        cluster.shutdown()
        """,
    )
