"""What a user sees while a column is computed: on a terminal, in a log, and on request nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.acceptance.terminal import TerminalProgram
from tests.conftest import RUNNERS

LONG = "a line that is much longer than the terminal is wide, " * 4
ENDS = r"geneva: docs\.slow done, 100 rows in 4 fragments in \d\.\d s \(\d+ rows/s\)"
BEGINNING = f"""
    import sys, time
    import geneva

    @geneva.udf(batch_size=2)
    def slow(id: int) -> int:
        time.sleep(0.02)
        if id in (30, 60):
            print("row", id)
        if id == 31:
            print("{LONG}")
            print("a warning", file=sys.stderr)
        return id

    table = geneva.connect(sys.argv[1]).open_table("docs")
    table.add_columns({{"slow": slow}})
"""


@pytest.fixture
def program(make_table, tmp_path):
    """Make the arguments of a Python that runs a program on a table of four fragments."""
    make_table(100, 25)

    def make(text: str, beginning: str = BEGINNING) -> list[str]:
        path = tmp_path / "program.py"
        path.write_text(textwrap.dedent(beginning) + textwrap.dedent(text))
        return [str(path), str(tmp_path / "db")]

    return make


def test_bars_on_a_terminal(program):
    text = "table.backfill('slow', num_cpus=0.5); print('the end')"
    with TerminalProgram(program(text)) as shown:
        assert shown.wait() == 0
    everything = "\n".join(shown.pictures)
    for words in (
        r"docs\.slow +\S+ +[1-9]\d? %  \d+ of 100 rows",
        r"\S+ +(25|50|75) %  [123] of 4 fragments",
        r"^\d workers?( \+ \d starting)?, at most 4",
        r"\| \d+ rows/s \| \d s left \|",
        r"\| computing, mostly the function$",
    ):
        assert re.search(words, everything, re.MULTILINE), words
    # Nothing of the bars stays; what was printed is whole, and in order.
    lines = shown.picture.text.splitlines()
    assert shown.picture.cursor_is_visible
    assert re.fullmatch(ENDS, lines[-2])
    assert lines[-1] == "the end"
    printed = "".join(line.ljust(100) for line in lines[:-2])
    for words in ("row 30", "row 60", "a warning", LONG.strip()):
        assert printed.count(words) == 1
    assert len(lines) == 2 + 3 + -(-len(LONG.rstrip()) // 100)
    # While the bars are there, what was printed stands above them.
    both = [text for text in shown.pictures if "row 30" in text and " of 100 rows" in text]
    assert both
    assert all(text.index("row 30") < text.rindex("docs.slow") for text in both)


def test_a_quick_job_shows_one_line(program):
    text = """
    @geneva.udf
    def quick(id: int) -> int:
        return id

    table.add_columns({"quick": quick})
    table.backfill("quick")
    table.backfill("quick")
    """
    with TerminalProgram(program(text)) as shown:
        assert shown.wait() == 0
    done, again = shown.picture.text.splitlines()
    assert done.startswith("geneva: docs.quick done, 100 rows in 4 fragments")
    assert again == "geneva: docs.quick is up to date"


def test_a_breakpoint_in_a_function(program):
    text = """
    @geneva.udf
    def buggy(id: int) -> int:
        if id == 7:
            breakpoint()
        return id

    table.add_columns({"buggy": buggy})
    table.backfill("buggy", runner="inline")
    """
    with TerminalProgram(program(text)) as shown:
        shown.wait_for(lambda text: text.endswith("(Pdb)"))
        time.sleep(0.5)  # Time enough for bars, if there were any.
        shown.press(b"p id + 100\n")
        shown.wait_for(lambda text: text.count("(Pdb)") == 2)
        shown.press(b"c\n")
        assert shown.wait() == 0
    *debugging, end = shown.picture.text.splitlines()
    assert debugging[-3:] == ["(Pdb) p id + 100", "107", "(Pdb) c"]
    assert end.startswith("geneva: docs.buggy done, 100 rows")


def test_what_goes_to_a_file_stays_out_of_the_terminal(program, tmp_path):
    with (tmp_path / "out.txt").open("w") as out:
        text = "table.backfill('slow'); print('the end')"
        with TerminalProgram(program(text), stdout=out) as shown:
            assert shown.wait() == 0
    written = (tmp_path / "out.txt").read_text().splitlines()
    assert sorted(written) == sorted(["row 30", "row 60", LONG, "the end"])
    assert written[-1] == "the end"
    warning, end = shown.picture.text.splitlines()
    assert warning == "a warning"
    assert re.fullmatch(ENDS, end)


def test_ctrl_c_leaves_the_screen_in_order(program):
    with TerminalProgram(program("table.backfill('slow')")) as shown:
        shown.wait_for(lambda text: "| computing" in text)
        time.sleep(0.3)
        shown.press(b"\x03")
        assert shown.wait() != 0
    text = shown.picture.text
    stopped = r"^geneva: docs\.slow stopped after \d\.\d s with \d+ of 100 rows"
    assert re.search(stopped, text, re.MULTILINE)
    assert text.splitlines()[-1] == "KeyboardInterrupt"
    assert " %  " not in text
    assert shown.picture.cursor_is_visible


def test_lines_in_a_log(program):
    done = subprocess.run(
        [sys.executable, *program("table.backfill('slow')")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "GENEVA_PROGRESS_INTERVAL_S": "0.2"},
    )
    lines = [line for line in done.stderr.splitlines() if line != "a warning"]
    assert len(lines) >= 4
    for line in lines[:-1]:
        assert re.fullmatch(
            r"geneva: docs\.slow \d+ % \| \d+ of (0|100) rows \| \d of [04] fragments \| .+", line
        )
    assert re.fullmatch(ENDS, lines[-1])
    assert re.search(r"\d+ rows/s \| \d s left \| computing, mostly the function", done.stderr)
    assert "\x1b" not in done.stderr
    assert sorted(done.stdout.splitlines()) == sorted(["row 30", "row 60", LONG])


@pytest.mark.parametrize(
    ("first", "where"),
    [
        *((first, kind) for first in ("geneva", "lance", "lancedb") for kind in RUNNERS[:2]),
        # A cluster is started the same way, whatever came before.
        pytest.param("lancedb", "ray", marks=pytest.mark.long),
    ],
)
def test_silence_on_request(program, first, where, tmp_path):
    text = f"""
        import {first}
        import contextlib, sys, geneva

        @geneva.udf
        def double(id: int) -> int:
            return 2 * id

        @geneva.udf(checkpoint_size=7)
        def triple(id: int) -> int:
            return 3 * id

        db = geneva.connect(sys.argv[1])
        block = db.local_ray_context() if {where!r} == "ray" else contextlib.nullcontext()
        table = db.open_table("docs")
        block.__enter__()
        table.add_columns({{"out": double, "sql": "id + 1"}})
        table.backfill("out", runner={where!r}, progress=False)
        table.alter_columns({{"path": "out", "udf": triple}})
        table.backfill("out", where="id > 3", runner={where!r}, progress=False)
        table.backfill("out", runner={where!r}, progress=False)
        table.backfill_async("out", force=True, runner={where!r}).result()
        table.drop_columns(["sql"])
        other = db.create_table("other", table.to_arrow())
        other.add_columns({{"more": double}})
        other.backfill("more", runner={where!r}, progress=False)
        db.drop_table("other")
        block.__exit__(None, None, None)
    """
    done = subprocess.run(
        [sys.executable, *program(text, beginning="")], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    # What another function changes is always said.
    [changed] = done.stderr.splitlines()
    assert changed.startswith("docs.out: function double → triple; code of triple changed")
    assert Path(tmp_path, "db", "docs.lance").is_dir()
