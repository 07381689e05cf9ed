"""How functions are let go of: teardown(), and async calls that are not waited for."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path

import pytest

import geneva
from geneva.errors import BackfillTimeoutError, UDFError
from geneva.runners import processes


def _noted(folder: Path) -> list[str]:
    return [line for path in sorted(folder.iterdir()) for line in path.read_text().splitlines()]


class Noting:
    """Notes what happens in each worker."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def note(self, what: str) -> None:
        with (self.folder / f"{os.getpid()}").open("a") as file:
            file.write(f"{what}\n")


@geneva.udf
class Doubled(Noting):
    def setup(self) -> None:
        self.thread = threading.get_ident()
        self.note("set up")

    def __call__(self, id: int) -> int:
        if id == 70 and (self.folder / "fail").exists():
            raise ValueError("seventy")
        return 2 * id

    def teardown(self) -> None:
        assert threading.get_ident() == self.thread
        self.note("torn down")


@geneva.udf
class Fetched(Noting):
    async def setup(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.note("set up")

    async def __call__(self, id: int) -> int:
        await asyncio.sleep(0.001)
        if id == 70 and (self.folder / "fail").exists():
            raise ValueError("seventy")
        return 2 * id

    async def teardown(self) -> None:
        await asyncio.sleep(0.001)
        assert asyncio.get_running_loop() is self.loop
        self.note("torn down")


@pytest.fixture(params=["inline", "process"])
def place(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("function", [Doubled, Fetched])
@pytest.mark.parametrize("fails", [False, True])
def test_teardown_is_called_once_per_setup(make_table, place, tmp_path, function, fails):
    notes = tmp_path / "notes"
    notes.mkdir()
    table = make_table(100, 40)
    table.add_columns({"out": function(notes)})
    if fails:
        (notes / "fail").touch()
        with pytest.raises(UDFError, match="seventy"):
            table.backfill("out", runner=place, progress=False)
    else:
        table.backfill("out", runner=place, progress=False)
    seen = _noted(notes)
    assert "set up" in seen
    assert seen.count("torn down") == seen.count("set up")


def test_a_teardown_that_fails_is_told_and_fails_no_job(make_table, place, capfd):
    @geneva.udf
    class Untidy:
        def __call__(self, id: int) -> int:
            return id

        def teardown(self) -> None:
            raise RuntimeError("no broom")

    table = make_table(10, 10)
    table.add_columns({"out": Untidy()})
    assert table.backfill("out", runner=place, progress=False).status == "DONE"
    _wait_for(capfd, "Warning: teardown() of Untidy failed", "RuntimeError: no broom")


def _wait_for(capfd, *words: str) -> None:
    """Wait until words were printed; what workers print takes a moment."""
    text, deadline_s = "", time.monotonic() + 10
    while not all(word in text for word in words):
        assert time.monotonic() < deadline_s, text
        time.sleep(0.01)
        text += capfd.readouterr().err


def test_a_teardown_that_does_not_end_is_ended(make_table, capfd, monkeypatch):
    monkeypatch.setattr(processes, "TEARDOWN_S", 0.1)
    monkeypatch.setattr(processes, "_LATE_S", 0.1)

    @geneva.udf
    class Stuck:
        def __call__(self, id: int) -> int:
            return os.getpid()

        def teardown(self) -> None:
            time.sleep(3600)

    table = make_table(10, 10)
    table.add_columns({"out": Stuck()})
    began = time.monotonic()
    assert table.backfill("out", progress=False).status == "DONE"
    assert time.monotonic() - began < 10
    assert "Does its teardown() wait?" in capfd.readouterr().err
    with pytest.raises(ProcessLookupError):
        os.kill(table.to_arrow()["out"][0].as_py(), 0)


def test_a_cancelled_job_does_not_wait_for_all_calls(make_table):
    @geneva.udf(max_in_flight=8)
    async def endless(id: int) -> int:
        if id >= 20:
            await asyncio.sleep(3600)
        return id

    table = make_table(100, 100)
    table.add_columns({"out": endless})
    began = time.monotonic()
    with pytest.raises(BackfillTimeoutError):
        table.backfill("out", progress=False, timeout=1.5)
    # The 0.5 s that calls in flight get; a worker that does not answer is killed after 5 s.
    assert time.monotonic() - began < 5
    assert table.plan_backfill("out").total_rows_pending == 80
