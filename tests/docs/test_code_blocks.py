"""Everything that the documentation shows runs, and prints what it says."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, blocks, matches, page_name, pages

RUNNER = Path(__file__).with_name("run_page.py")
WITH_PROGRAMS = [p for p in pages() if any(b.language == "python" for b in blocks(p))]
WITH_COMMANDS = [p for p in pages() if any(b.language == "console" for b in blocks(p))]


@pytest.mark.parametrize("page", WITH_PROGRAMS, ids=page_name)
def test_programs(page: Path, tmp_path: Path) -> None:
    """Blocks of a page are one program: they share their names and run in order."""
    programs = [b for b in blocks(page) if b.language == "python"]
    request = [
        {"file": str(page), "line": b.line, "source": b.text, "expect": b.marks.get("expect", "")}
        for b in programs
    ]
    done = subprocess.run(
        [sys.executable, str(RUNNER)],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if not k.startswith("GENEVA_")},
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    results = dict(zip((b.line for b in programs), json.loads(done.stdout), strict=False))
    for block in programs:
        result = results[block.line]
        expected = block.marks.get("expect")
        place = f"{page_name(page)}:{block.line}"
        if expected is None:
            assert not result["error"], f"{place} raised\n{result['error']}"
        else:
            assert expected in result["kinds"], f"{place} did not raise {expected}: {result}"
    for program, output in outputs(page):
        result = results[program.line]
        stream = output.marks["output"] or "stdout"
        found = result[stream] + (result["error"] if stream == "stdout" else "")
        place = f"{page_name(page)}:{output.line}"
        assert matches(output.text, found), f"{place} is not what was printed:\n{found}"


def outputs(page: Path) -> list[tuple[Block, Block]]:
    """Return each block that is marked as output with the program in front of it."""
    found, program = [], None
    for block in blocks(page):
        if block.language == "python":
            program = block
        elif "output" in block.marks:
            assert program is not None, f"{page_name(page)}:{block.line}: output of what?"
            found.append((program, block))
    return found


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=page_name)
def test_commands_exist(page: Path) -> None:
    for block in blocks(page):
        if block.language != "console":
            continue
        commands = [line[2:] for line in block.text.splitlines() if line.startswith("$ ")]
        assert commands, f"{page_name(page)}:{block.line} shows no command"
        for command in commands:
            check_command(shlex.split(command, comments=True), f"{page_name(page)}:{block.line}")


def check_command(words: list[str], place: str) -> None:
    while re.match(r"^[A-Z_]+=", words[0]):
        words = words[1:]
    program, *arguments = words
    if program == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
        assert set(arguments) <= set(targets), f"{place}: no such target in {arguments}"
    elif program == "geneva":
        check_geneva(arguments, place)
    else:
        tool = program.removeprefix(".venv/bin/")
        known = program in ("pip", "git", "python", "cd") or (
            tool != program and f'"{tool}>=' in (ROOT / "pyproject.toml").read_text()
        )
        assert known, f"{place}: unknown command {program}"


def check_geneva(arguments: list[str], place: str) -> None:
    import typer.main

    from geneva.cli.main import app

    group = typer.main.get_command(app)
    if not arguments or arguments[0] == "--help":
        return
    subcommand = group.commands.get(arguments[0])
    if isinstance(subcommand, type(group)):  # `geneva jobs` has subcommands of its own.
        subcommand = subcommand.commands.get(arguments[1])
    assert subcommand is not None, f"{place}: no subcommand {arguments[:2]}"
    options = {name for p in subcommand.params for name in (*p.opts, *p.secondary_opts)}
    given = {a.split("=")[0] for a in arguments[1:] if a.startswith("--")}
    assert given <= options | {"--help"}, f"{place}: no option {given - options}"


def test_wildcards() -> None:
    assert matches("a ... c\n", "a b\nb c")
    assert matches("rows  \n", "rows\n")
    assert not matches("a ... c", "a b d")
