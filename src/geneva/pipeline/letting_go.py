"""Lets go of a function: ``teardown()``, which must not fail a job that has its values."""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geneva.transformer.binding import BoundFunction

TEARDOWN_S = 10.0
"""How long a ``teardown()`` may take."""


def let_go(bound: BoundFunction, place: str) -> None:
    """Call a function's ``teardown()``; print what it raises, and go on.

    Parameters
    ----------
    bound
        The function.
    place
        What the user reads for this applier; empty on one machine.
    """
    try:
        bound.tear_down(TEARDOWN_S)
    except (Exception, SystemExit):  # noqa: BLE001 - user code
        where = f" ({place})" if place else ""
        said = f"teardown() of {bound.function.name} failed{where}; the values are kept.\n"
        sys.stderr.write(f"Warning: {said}{traceback.format_exc()}")
        sys.stderr.flush()
