"""teardown(): called once per setup(), to its end, wherever the function runs."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path

import pytest

import geneva
from geneva.errors import UDFError


class Noting:
    """Notes what happens in each worker."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def note(self, what: str) -> None:
        with (self.folder / f"{os.getpid()}").open("a") as file:
            file.write(f"{what}\n")


@geneva.udf(batch_size=10)
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
        time.sleep(0.3)  # Whoever does not wait for it ends it here.
        self.note("torn down")
        raise RuntimeError("no broom")


@geneva.udf(batch_size=10)
class Fetched(Noting):
    async def setup(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.note("set up")

    async def __call__(self, id: int) -> int:
        if id == 70 and (self.folder / "fail").exists():
            raise ValueError("seventy")
        return 2 * id

    async def teardown(self) -> None:
        await asyncio.sleep(0.3)
        assert asyncio.get_running_loop() is self.loop
        self.note("torn down")


def test_every_function_that_was_set_up_is_let_go_of(make_table, runner, tmp_path, capfd):
    notes = tmp_path / "notes"
    notes.mkdir()

    def seen(what: str) -> int:
        return sum(path.read_text().splitlines().count(what) for path in notes.iterdir())

    table = make_table(100, 40)
    table.add_columns({"out": Doubled(notes), "fetched": Fetched(notes)})
    table.backfill("out", runner=runner, progress=False, concurrency=2)
    assert seen("torn down") == seen("set up") > 0
    told = _told(capfd, "Warning: teardown() of Doubled failed", "RuntimeError: no broom")
    assert ("applier-" in told) == (runner == "ray")

    before = seen("set up")
    table.backfill("fetched", runner=runner, progress=False)
    assert seen("torn down") == seen("set up") > before

    (notes / "fail").touch()
    for column in ("out", "fetched"):
        before = seen("set up")
        with pytest.raises(UDFError, match="seventy"):
            table.backfill(column, runner=runner, progress=False, force=True)
        assert seen("torn down") == seen("set up") > before


def _told(capfd, *words: str) -> str:
    """Return what was printed, when it has words; what workers print takes a moment."""
    text, deadline_s = "", time.monotonic() + 10
    while not all(word in text for word in words):
        assert time.monotonic() < deadline_s, text
        time.sleep(0.01)
        printed = capfd.readouterr()
        text += printed.out + printed.err
    return text
