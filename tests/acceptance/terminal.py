"""Run a program on a real pseudo-terminal and look at what its user sees."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import IO

COLUMNS, LINES = 100, 40
# The terminal becomes the program's own, so that Ctrl-C reaches it.
_BOOT = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
_TOKEN = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")
_UNFINISHED = re.compile(r"\x1b(\[[?\d;]*)?$")


@dataclass
class Picture:
    """A screen: text, carriage returns, and the few control codes that progress bars use."""

    lines: list[str] = field(default_factory=lambda: [""])
    row: int = 0
    column: int = 0
    cursor_is_visible: bool = True
    behind: tuple[list[str], int, int] | None = None

    def feed(self, text: str) -> None:
        for arguments, code, control, plain in _TOKEN.findall(text):
            match (arguments, code or control):
                case (_, "\r"):
                    self.column = 0
                case (_, "\n"):
                    self._down()
                case (lines, "A"):
                    self.row -= int(lines or 1)
                case ("2", "K"):
                    self.lines[self.row] = ""
                case ("?1049", "h" | "l"):
                    self._switch(full_screen=code == "h")
                case ("", "H"):
                    self.row = self.column = 0
                case ("?25", "h" | "l"):
                    self.cursor_is_visible = code == "h"
                case (_, "m"):
                    pass
                case (_, ""):
                    self._write(plain)
                case unknown:
                    raise AssertionError(f"unknown control code {unknown}")

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines).rstrip("\n")

    def _switch(self, *, full_screen: bool) -> None:
        """Go to the screen of full-screen programs, or back to what was there before."""
        if full_screen:
            self.behind = self.lines, self.row, self.column
            self.lines, self.row, self.column = [""], 0, 0
        elif self.behind is not None:
            (self.lines, self.row, self.column), self.behind = self.behind, None

    def _write(self, plain: str) -> None:
        for character in plain:
            if self.column == COLUMNS:
                self.column = 0
                self._down()
            line = self.lines[self.row].ljust(self.column)
            self.lines[self.row] = line[: self.column] + character + line[self.column + 1 :]
            self.column += 1

    def _down(self) -> None:
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append("")


class TerminalProgram:
    """A running program whose standard streams are a terminal, except those that are given."""

    def __init__(self, arguments: list[str], *, stdout: IO[str] | None = None) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color"}
        for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            [sys.executable, "-c", _BOOT, sys.executable, *arguments],
            stdin=theirs,
            stdout=theirs if stdout is None else stdout,
            stderr=theirs,
            start_new_session=True,
            env=environment,
        )
        os.close(theirs)
        self.picture = Picture()
        self.pictures: list[str] = []
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def wait_for(self, seen: Callable[[str], bool], timeout_s: float = 30) -> None:
        """Wait until the screen shows something."""
        deadline = time.monotonic() + timeout_s
        while not seen(self.picture.text):
            in_time = time.monotonic() < deadline and self._thread.is_alive()
            assert in_time, f"it did not happen; the screen shows:\n{self.picture.text}"
            time.sleep(0.02)

    def press(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def wait(self, timeout_s: float = 60) -> int:
        """Wait for the end and return the exit code."""
        code = self.process.wait(timeout=timeout_s)
        self._thread.join(timeout=10)
        return code

    def __enter__(self) -> TerminalProgram:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._thread.join(timeout=10)
        os.close(self._ours)

    def _watch(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")()
        rest = ""
        while True:
            try:
                rest += decoder.decode(os.read(self._ours, 1 << 16))
            except OSError:  # The last program that had the terminal is gone.
                return
            cut = _UNFINISHED.search(rest)
            head = rest if cut is None else rest[: cut.start()]
            rest = rest[len(head) :]
            self.picture.feed(head)
            self.pictures.append(self.picture.text)
