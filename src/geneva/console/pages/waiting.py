"""Look again and again at what is shown, without keeping the store or the page waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import ParamSpec, TypeVar

from nicegui import background_tasks, run, ui

from geneva.errors import GenevaError

EVERY_S = 2.0
# A page whose contents take longer is sent without them.
_BEFORE_SENT_S = 0.5
# Looking takes at most so much of the time, however slow the store is.
_SHARE = 0.1

FAILURES = (GenevaError, OSError, ValueError, RuntimeError)
"""What reading a table may raise that is said on the page."""

P = ParamSpec("P")
T = TypeVar("T")


def interval_after(took_s: float) -> float:
    """Return in how many seconds to look again after a look took so long.

    Examples
    --------
    >>> interval_after(0.01), interval_after(1.5)
    (2.0, 15.0)
    """
    return max(EVERY_S, took_s / _SHARE)


def again_and_again(
    read: Callable[[], T],
    show: Callable[[T], Awaitable[None]],
    failed: Callable[[Exception], None],
) -> None:
    """Read something at once, and then every other second while the page is open, and show it.

    Nothing is read again while what was read before is still being shown.

    Parameters
    ----------
    read
        Called in a thread.
    show
        Called with what was read.
    failed
        Called with the error if it could not be read or shown.
    """

    async def look() -> None:
        try:
            begun = monotonic()
            found = await in_thread(read)
            timer.interval = interval_after(monotonic() - begun)
            await show(found)
        except FAILURES as error:
            failed(error)

    timer = ui.timer(EVERY_S, look)


async def now_and_again(
    look: Callable[[], Awaitable[None]], failed: Callable[[Exception], None], every_s: float
) -> None:
    """Look before the page is sent, if that is quick, and then every so often while it is open.

    Parameters
    ----------
    look
        Reads something and shows it.
    failed
        Called with the error if it could not be read or shown.
    every_s
        Seconds between two looks.
    """

    async def safely() -> None:
        try:
            await look()
        except FAILURES as error:
            failed(error)

    first = background_tasks.create(safely())
    await asyncio.wait([first], timeout=_BEFORE_SENT_S)
    ui.timer(every_s, safely, immediate=False)


async def in_thread(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what a call that waits for disks or networks returns; the page goes on meanwhile.

    Raises
    ------
    asyncio.CancelledError
        The server ends.
    """
    found: list[T] = []
    await run.io_bound(lambda: found.append(call(*args, **kwargs)))
    if not found:  # NiceGUI does not run it any more, and says nothing.
        raise asyncio.CancelledError
    return found[0]
