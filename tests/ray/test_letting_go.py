"""teardown() on Ray where actors are asked back, or do not end."""

from __future__ import annotations

import pytest

from tests.ray.programs import HEAD, run


@pytest.mark.long
def test_an_applier_that_is_asked_back_lets_go_first(tmp_path):
    run(
        tmp_path,
        HEAD,
        """
        import pathlib

        notes = pathlib.Path(sys.argv[1] + ".notes")
        notes.mkdir()

        @geneva.udf(batch_size=4)
        class Noting:
            def setup(self):
                self.note("set up")

            def __call__(self, id: int) -> int:
                time.sleep(0.1)
                return id

            def teardown(self):
                time.sleep(0.5)
                self.note("torn down")

            def note(self, what):
                (notes / f"{os.getpid()} {what}").touch()

        def noted(what):
            return {path.name.split()[0] for path in notes.iterdir() if path.name.endswith(what)}

        def wait_for(count, what):
            began = time.monotonic()
            while len(noted(what)) < count:
                assert time.monotonic() - began < 40, list(notes.iterdir())
                time.sleep(0.05)

        quick = geneva.udf(lambda id: id + 1, data_type=pa.int64())
        table.add_columns({"out": Noting(), "quick": quick})
        with db.local_ray_context(num_cpus=3):
            job = table.backfill_async("out", concurrency=2)
            wait_for(2, "set up")
            table.backfill("quick", concurrency=1, progress=False)  # One gives its place up.
            assert len(noted("torn down")) == 1, list(notes.iterdir())
            assert not job.done()
            assert job.result(timeout=60).metrics["worker_losses"] == 0
            assert noted("torn down") == noted("set up")
        right("out", lambda i: i)
        right("quick", lambda i: i + 1)
        """,
    )


@pytest.mark.long
def test_a_teardown_that_does_not_end_is_ended(tmp_path):
    run(
        tmp_path,
        HEAD,
        """
        import contextlib, io, os
        import psutil

        @geneva.udf
        class Stuck:
            def __call__(self, id: int) -> int:
                return os.getpid()

            def teardown(self):
                time.sleep(3600)

        table.add_columns({"out": Stuck()})
        said = io.StringIO()
        with db.local_ray_context(), contextlib.redirect_stderr(said):
            began = time.monotonic()
            assert table.backfill("out", progress=False, concurrency=1).status == "DONE"
            assert 10 < time.monotonic() - began < 30
            assert "applier-0 on node" in said.getvalue(), said.getvalue()
            assert "Does its teardown() wait?" in said.getvalue()
            table.checkout_latest()
            [pid] = set(table.to_arrow()["out"].to_pylist())
            began = time.monotonic()
            while psutil.pid_exists(pid):
                assert time.monotonic() - began < 10
                time.sleep(0.1)
        """,
    )
