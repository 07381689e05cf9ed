"""What people see of a job: words, lines, bars and notebook cells."""

from __future__ import annotations

import io
import os
import sys
import threading
import time
from dataclasses import replace

import pytest
from rich.console import Console

from geneva.jobs.progress import Progress
from geneva.jobs.progress_words import duration, left, line, stage, summary
from geneva.jobs.speed import RecentSpeed
from geneva.progress import display
from geneva.progress.bars import Screen, TerminalBars
from geneva.progress.display import Lines, Patient, Silent, choose_display
from geneva.progress.in_turn import InTurn

PLANNING = Progress("job", "docs", "c")
HALF = replace(
    PLANNING,
    stage="computing",
    rows_done=500,
    rows_total=1_000,
    fragments_done=1,
    fragments_total=4,
    workers=2,
    workers_granted=8,
    elapsed_s=5.0,
    rows_per_s=100.0,
    stage_s={"read": 0.1, "udf": 4.0},
)
DONE = replace(HALF, stage="done", rows_done=1_000, fragments_done=4, elapsed_s=10, finished=True)
STOPPED = replace(HALF, stage="stopped", finished=True)


# -- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (PLANNING, "geneva: docs.c 0 % | 0 of 0 rows | 0 of 0 fragments | planning"),
        (
            HALF,
            (
                "geneva: docs.c 50 % | 500 of 1,000 rows | 1 of 4 fragments | "
                "2 workers, at most 8 | 100 rows/s | 5 s left | computing, mostly the function"
            ),
        ),
        (
            replace(HALF, rows_done=999, fragments_total=1, rows_per_s=0, workers=1),
            (
                "geneva: docs.c 99 % | 999 of 1,000 rows | 1 of 1 fragment | 1 worker, at most 8 | "
                "computing, mostly the function"
            ),
        ),
        (
            replace(HALF, rows_done=1_000, stage="committing"),
            (
                "geneva: docs.c 100 % | 1,000 of 1,000 rows | 1 of 4 fragments | "
                "2 workers, at most 8 | 100 rows/s | committing"
            ),
        ),
    ],
)
def test_lines(progress, text):
    assert line(progress) == text


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (DONE, "geneva: docs.c done, 1,000 rows in 4 fragments in 10.0 s (100 rows/s)"),
        (
            replace(DONE, rows_done=1, rows_total=1, fragments_done=1, elapsed_s=0.5),
            "geneva: docs.c done, 1 row in 1 fragment in 0.5 s (2 rows/s)",
        ),
        (
            # The rows were computed by an earlier job that had no time to write them.
            replace(DONE, rows_done=0, rows_total=0, fragments_done=1, fragments_total=1),
            "geneva: docs.c done, 0 rows in 1 fragment in 10.0 s (0 rows/s)",
        ),
        (replace(PLANNING, stage="done", finished=True), "geneva: docs.c is up to date"),
        (STOPPED, "geneva: docs.c stopped after 5.0 s with 500 of 1,000 rows computed"),
    ],
)
def test_summaries(progress, text):
    assert summary(progress) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (59.94, "59.9 s"), (59.96, "1:00"), (3599.9, "1:00:00"), (90_061, "25:01:01")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_the_time_left_does_not_flicker():
    shown = {left(replace(HALF, rows_per_s=pace)) for pace in (99.2, 99.6, 100.0)}
    assert len(shown) <= 2
    assert left(replace(HALF, rows_per_s=0.3)) == left(replace(HALF, rows_per_s=0.301))
    assert left(replace(HALF, rows_done=1_000)) == ""
    assert left(replace(HALF, rows_per_s=-3.0)) == ""


def test_the_slowest_stage_is_named_while_it_computes():
    assert stage(HALF) == "computing, mostly the function"
    assert stage(replace(HALF, stage_s={"read": 9.0, "udf": 1.0})) == "computing, mostly reading"
    assert stage(replace(HALF, stage="writing")) == "writing"
    assert stage(replace(HALF, stage_s={})) == "computing"


# -- speed ---------------------------------------------------------------------------------------


def speeds(reports: list[tuple[float, int]], look_every_s: float = 0.1) -> list[float]:
    """Return the speed at each look, given when how many rows were reported."""
    speed = RecentSpeed()
    speed.begin(0.0, 0)
    looks = [i * look_every_s for i in range(1, int(reports[-1][0] / look_every_s) + 1)]
    return [speed.record(now, max([0, *(r for t, r in reports if t <= now)])) for now in looks]


def test_a_steady_job_has_a_steady_speed():
    found = speeds([(0.05 * i, 5 * i) for i in range(1, 400)])
    assert all(pace == pytest.approx(100, rel=0.15) for pace in found if pace)
    assert all(found[10:])


def test_slow_batches_do_not_make_the_speed_jump():
    found = speeds([(5.0 * i, 32 * i) for i in range(1, 8)])
    assert {round(pace, 3) for pace in found} == {0.0, 6.4}
    assert all(found[50:])


def test_the_speed_follows_the_last_seconds():
    fast_then_slow = [(i, 1_000 * i) for i in range(1, 20)]
    fast_then_slow += [(19 + i, 19_000 + 10 * i) for i in range(1, 30)]
    found = speeds(fast_then_slow)
    assert found[150] == pytest.approx(1_000)
    assert found[-1] == pytest.approx(10, rel=0.1)
    stuck = RecentSpeed()
    stuck.begin(0.0, 0)
    assert [stuck.record(t, 100) for t in (10.0, 20.0, 40.0, 100.0)] == [10, 10, 5, 100 / 80]


def test_lost_rows_do_not_turn_the_speed_around():
    speed = RecentSpeed()
    speed.begin(0.0, 0)
    assert speed.record(1.0, 100) == 100
    assert speed.record(2.0, 200) == 100
    assert speed.record(2.5, 120) == 100
    assert speed.record(3.0, 220) == pytest.approx(100)
    assert RecentSpeed().record(5.0, 10) == 0


# -- lines and silence ---------------------------------------------------------------------------


def test_lines_come_once_per_interval_and_once_at_the_end(capsys):
    lines = Lines(interval_s=0.05)
    for _ in range(20):
        lines.show(HALF)
    assert capsys.readouterr() == ("", "")
    time.sleep(0.06)
    for _ in range(20):
        lines.show(HALF)
    lines.show(DONE)
    lines.close()
    assert capsys.readouterr() == ("", f"{line(HALF)}\n{summary(DONE)}\n")


def test_silence(capfd):
    silent = Silent()
    for progress in (PLANNING, HALF, DONE):
        silent.show(progress)
    silent.close()
    assert capfd.readouterr() == ("", "")


class _Gone(Lines):
    def show(self, progress: Progress) -> None:
        raise OSError("the terminal was closed")

    def close(self) -> None:
        raise ValueError("I/O operation on closed file")


def test_a_job_goes_on_when_its_screen_is_gone():
    patient = Patient(_Gone(1.0))
    patient.show(HALF)
    patient.show(DONE)
    patient.close()
    Patient(_Gone(1.0)).close()


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "term", "bars", "kind"),
    [
        (_Terminal(), "xterm", True, TerminalBars),
        (_Terminal(), "xterm", False, Lines),  # Somebody may debug the function here.
        (_Terminal(), "dumb", True, Lines),
        (io.StringIO(), "xterm", True, Lines),
        (None, "xterm", True, Silent),
    ],
)
def test_the_display_suits_the_place(monkeypatch, stream, term, bars, kind):
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys, "stderr", stream)
    chosen = choose_display(wanted=True, bars=bars, interval_s=1.0)
    chosen.close()
    assert isinstance(getattr(chosen, "_display", chosen), kind)
    assert isinstance(choose_display(wanted=False, bars=bars, interval_s=1.0), Silent)


# -- bars ----------------------------------------------------------------------------------------


@pytest.fixture
def screen():
    console = Console(file=_Terminal(), force_terminal=True, width=100, soft_wrap=True, height=20)
    return Screen(console)


def text_of(screen: Screen) -> str:
    return screen._console.file.getvalue()


def test_a_quick_job_shows_its_last_line_only(screen):
    bars = TerminalBars(screen)
    for progress in (PLANNING, HALF, DONE):
        bars.show(progress)
    bars.close()
    bars.show(HALF)  # A late thread changes nothing.
    time.sleep(0.4)
    assert text_of(screen) == f"{summary(DONE)}\n"


def test_bars_appear_although_nothing_happens_while_it_plans(screen):
    bars = TerminalBars(screen)
    bars.show(PLANNING)
    time.sleep(0.5)
    assert "planning" in text_of(screen)
    bars.close()
    assert threading.active_count() < 20


def test_two_jobs_share_the_screen(screen):
    jobs = [TerminalBars(screen), TerminalBars(screen)]
    time.sleep(0.4)
    for name, bars in zip("ab", jobs, strict=True):
        bars.show(replace(HALF, column_name=name))
    time.sleep(0.3)
    frame = text_of(screen).rpartition("docs.a")[2]
    assert "docs.b" in frame
    jobs[0].show(replace(DONE, column_name="a"))
    jobs[0].close()
    time.sleep(0.3)
    after = text_of(screen).partition("docs.a done")[2]
    assert "docs.b" in after
    assert "docs.a" not in after
    jobs[1].close()
    assert text_of(screen).endswith("\x1b[2K\x1b[?25h\r")  # The last bars are wiped.


@pytest.mark.parametrize("name", ["[red]", "a_very_long_name_" * 5, ":smile:"])
def test_names_are_shown_as_they_are(screen, name):
    bars = TerminalBars(screen)
    time.sleep(0.35)
    bars.show(replace(HALF, column_name=name))
    bars.close()
    assert f"docs.{name}"[:25] in text_of(screen)
    assert max(map(len, text_of(screen).splitlines())) < 160  # With codes of colours.


# -- notebooks -----------------------------------------------------------------------------------


def test_a_notebook_cell_is_updated_in_place():
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    from geneva.progress.notebook import NotebookBars

    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    try:
        with capture_output() as captured:
            bars = NotebookBars()
            bars.show(PLANNING)  # Too early to show anything.
            for rows in (100, 500, 900):
                time.sleep(0.26)
                bars.show(replace(HALF, rows_done=rows))
                bars.show(replace(HALF, rows_done=rows + 1))  # Too soon after the last.
            bars.show(DONE)
            bars.close()
        outputs = captured.outputs
        assert [output.update for output in outputs] == [False, True, True, True]
        assert len({output.transient["display_id"] for output in outputs}) == 1
        pages = [output.data["text/html"] for output in outputs]
        for page, rows in zip(pages, (100, 500, 900), strict=False):
            assert f"value='{rows}' max='1000'" in page
            assert f"{rows} of 1,000 rows, 1 of 4 fragments | 2 workers" in page
            assert "100 rows/s" in page
            assert "left" in page
        assert pages[-1] == f"<div>{summary(DONE)}</div>"
        assert not display._in_notebook()  # A shell in a terminal is none.
        shell.kernel = object()
        assert display._in_notebook()
        chosen = choose_display(wanted=True, bars=True, interval_s=1.0)
        assert isinstance(chosen._display, NotebookBars)
    finally:
        shell.history_manager.end_session()
        InteractiveShell.clear_instance()


def test_html_of_users_is_escaped():
    from geneva.progress.notebook import rendered

    page = rendered(replace(HALF, column_name="<b>"))
    assert "docs.&lt;b&gt;" in page
    assert os.linesep not in page


def test_each_column_is_shown_in_turn_and_its_end_once():
    shown, made = [], []

    class Noting:
        def __init__(self):
            made.append(self)

        def show(self, progress):
            shown.append((made.index(self), progress.column_name, progress.finished))

        def close(self):
            shown.append((made.index(self), "closed", True))

    display = InTurn(Noting)
    for column in ("a", "b"):
        display.show(Progress("j", "t", column))
        display.show(Progress("j", "t", column, stage="done"))
    display.show(Progress("j", "t", "b", stage="done", finished=True))
    display.close()
    assert shown == [
        (0, "a", False),
        (0, "a", True),
        (0, "closed", True),
        (1, "b", False),
        (1, "b", True),
        (1, "closed", True),
    ]
