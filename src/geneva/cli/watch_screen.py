"""The full screen of `geneva jobs watch`."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from geneva.cli.watch import Jobs, as_line
from geneva.jobs.job_line import JobLine, short_id
from geneva.jobs.progress_words import STAGE_NAMES, duration, left, percent, speed
from geneva.jobs.record import JobRecord, JobStatus
from geneva.progress.bars import picture

_LOOK_S, _KEY_S = 0.5, 0.2
_BAR, _SMALL_BAR, _NAME = 20, 12, 12
_ENDED_SHOWN = 8
_COLORS = {
    JobStatus.RUNNING: "cyan",
    JobStatus.PAUSED: "yellow",
    JobStatus.DONE: "green",
    JobStatus.FAILED: "red",
    JobStatus.CANCELLED: "magenta",
}


def on_screen(jobs: Jobs, console: Console) -> JobRecord | None:
    """Show jobs until the one that is watched has ended, or q is pressed.

    Returns
    -------
    JobRecord or None
        The job as it was seen last, if it is one that is watched.
    """
    reader = _Reader(jobs)
    with _keys() as pressed, Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            records = reader.newest
            if records is not None:
                shown = _one(records[0], console) if jobs.one else _all(records, console)
                live.update(shown, refresh=True)
                if jobs.one and records[0].status.ended:
                    break
            if pressed(_KEY_S) in ("q", "Q"):
                break
    if not jobs.one or not records:
        return None
    console.print(Text(as_line(records[0])), soft_wrap=True)
    return records[0]


class _Reader:
    """Reads records in a thread: a store can be slow, and keys are to be heard meanwhile."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._records: list[JobRecord] | None = None
        self._error: BaseException | None = None
        threading.Thread(target=self._read, name="geneva-watch", daemon=True).start()

    @property
    def newest(self) -> list[JobRecord] | None:
        """The records as they were read last; None before that."""
        if self._error is not None:
            raise self._error
        return self._records

    def _read(self) -> None:
        while self._error is None:
            try:
                self._records = self._jobs.read()
            except BaseException as error:  # noqa: BLE001 - raised again where they are shown
                self._error = error
            time.sleep(_LOOK_S)


@contextlib.contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """Let a block ask which key is pressed, waiting at most so long; Ctrl-C stays Ctrl-C."""
    if not sys.stdin.isatty():
        yield _no_key
        return
    stream = sys.stdin.fileno()
    before = termios.tcgetattr(stream)

    def pressed(timeout_s: float) -> str:
        ready, _, _ = select.select([stream], [], [], timeout_s)
        return os.read(stream, 1).decode(errors="replace") if ready else ""

    try:
        tty.setcbreak(stream)
        yield pressed
    finally:
        termios.tcsetattr(stream, termios.TCSADRAIN, before)


def _no_key(timeout_s: float) -> str:
    time.sleep(timeout_s)
    return ""


def _one(record: JobRecord, console: Console) -> RenderableType:
    now, line = record.progress, JobLine.of(record)
    head = Text.assemble(
        (f"Job {record.job_id}  ", "bold"),
        line.target,
        "  ",
        _status(record),
        (f"  {duration(line.took_s)}  {line.launched_by}, {line.where}", "dim"),
    )
    parts: list[RenderableType] = [head, "", picture(now), "", *_workers(record)]
    parts += ["", Text("Time of all workers", "bold"), _stages(now.stage_s)]
    taken = 10 + len(now.stage_s or "-") + 2
    room = max(1, console.size.height - taken - 3)
    events = [Text(event) for event in record.events[-room:]]
    parts += ["", Text("Events", "bold"), *events]
    return _page(parts, "q ends this view; the job goes on")


def _workers(record: JobRecord) -> list[RenderableType]:
    now = record.progress
    memory = f", {now.peak_memory_bytes / 2**20:,.0f} MiB at most" if now.peak_memory_bytes else ""
    counts = (
        f"{now.workers} at work, {now.workers_starting} starting, {now.worker_losses} lost, "
        f"at most {now.workers_granted}{memory}"
    )
    lines: list[RenderableType] = [Text("Workers", "bold"), Text(counts)]
    if now.granted_why:
        lines.append(Text(now.granted_why, "dim"))
    return lines


def _stages(stage_s: dict[str, float]) -> RenderableType:
    if not stage_s:
        return Text("nothing is measured yet", "dim")
    most = max(1e-9, *stage_s.values())
    grid = Table.grid(padding=(0, 2, 0, 0))
    for name, seconds in stage_s.items():
        bar = ProgressBar(most, seconds, _BAR, complete_style="cyan", finished_style="cyan")
        grid.add_row(Text(STAGE_NAMES.get(name, name)), bar, Text(duration(seconds)))
    return grid


def _all(records: Sequence[JobRecord], console: Console) -> RenderableType:
    running = [record for record in records if not record.status.ended]
    ended = [record for record in records if record.status.ended]
    parts: list[RenderableType] = [Text(f"Running jobs: {len(running)}", "bold"), ""]
    room = max(1, console.size.height - 6 - min(len(ended), _ENDED_SHOWN))
    if running:
        parts.append(_running(running[:room]))
    if ended:
        parts += ["", Text("Ended", "bold")]
        parts += [
            Text.assemble(_status(one), f"  {short_id(one.job_id)}  {JobLine.of(one).target}")
            for one in ended[:_ENDED_SHOWN]
        ]
    return _page(parts, "q ends this view; jobs go on")


def _running(records: Sequence[JobRecord]) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    names = [short_id(one.job_id) for one in records]
    table.add_column("job", no_wrap=True, min_width=min(_NAME, max(map(len, names))))
    table.add_column("columns", no_wrap=True, overflow="ellipsis", min_width=_NAME)
    table.add_column("state", no_wrap=True, min_width=len("RUNNING"))
    table.add_column("rows", width=_SMALL_BAR)
    for name in ("", "speed", "left", "workers"):
        table.add_column(name, no_wrap=True, justify="right")
    for name, one in zip(names, records, strict=True):
        now = one.progress
        table.add_row(
            Text(name),
            Text(JobLine.of(one).target),
            _status(one),
            ProgressBar(now.rows_total or 1, now.rows_done, _SMALL_BAR, complete_style="cyan"),
            percent(now.rows_done, now.rows_total),
            speed(now.rows_per_s) if now.rows_per_s > 0 else "",
            left(now).removesuffix(" left"),
            f"{now.workers} of {now.workers_granted}",
        )
    return table


def _status(record: JobRecord) -> Text:
    return Text(record.status.value, _COLORS.get(record.status, ""))


def _page(parts: Sequence[RenderableType], foot: str) -> RenderableType:
    return Group(*parts, "", Text(foot, "dim"))
