"""Runs a check with a deadline: what it raises, and that it hangs, is what it found."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from geneva.errors import GenevaError
from geneva.report import Check

_THREAD = "geneva-doctor-"
# An S3 server's answer stands at the end of what Lance says.
_MOST_CHARACTERS = 900


def within(
    seconds: float, name: str, check: Callable[[], Sequence[Check]], fix: str
) -> tuple[Check, ...]:
    """Return what a check found, or a failed one with the reason.

    Parameters
    ----------
    seconds
        The deadline. A check that hangs is left behind in its thread, which ends with the process.
    name
        What is looked at.
    check
        Looks.
    fix
        What to do if it raises or hangs.

    Examples
    --------
    >>> within(5, "disk", lambda: [Check("disk", "ok", "9 GiB free")], "")
    (Check(name='disk', status='ok', found='9 GiB free', fix=''),)
    >>> within(5, "number", lambda: [Check("number", "ok", str(1 // 0))], "Divide less.")[0].found
    'ZeroDivisionError: integer division or modulo by zero'
    """
    found: list[Sequence[Check]] = []

    def run() -> None:
        try:
            found.append(check())
        except Exception as error:  # noqa: BLE001 - whatever is broken is what the user asks for
            found.append([Check(name, "failed", in_short(error), fix)])

    # A daemon: Python waits for no thread of this kind when it ends.
    thread = threading.Thread(target=run, name=f"{_THREAD}{name}", daemon=True)
    thread.start()
    thread.join(seconds)
    if not found:
        return (Check(name, "failed", f"no answer within {seconds:g} s", fix),)
    return tuple(found[0])


def left_behind() -> list[str]:
    """Return the names of the checks of this process that still hang."""
    names = [thread.name for thread in threading.enumerate()]
    return [name.removeprefix(_THREAD) for name in names if name.startswith(_THREAD)]


def in_short(error: BaseException) -> str:
    """Return an error as one line of bounded length.

    Examples
    --------
    >>> in_short(ValueError("one  thing"))
    'ValueError: one thing'
    """
    text = " ".join(str(error).split())
    if len(text) > _MOST_CHARACTERS:
        text = f"{text[:_MOST_CHARACTERS]} ..."
    # Ours say everything; the class of any other error is half of what it says.
    return text if isinstance(error, GenevaError) else f"{type(error).__name__}: {text}"
