"""Warnings that no filter turns into errors: to the log where one is set up, or else on stderr."""

from __future__ import annotations

import contextlib
import logging
import sys

PREFIX = "Warning: "


def warn_line(text: str) -> None:
    """Warn of something that must not end what goes on, whatever the program makes of warnings.

    Examples
    --------
    >>> import contextlib, sys
    >>> with contextlib.redirect_stderr(sys.stdout):
    ...     warn_line("the disk is nearly full")
    Warning: the disk is nearly full
    """
    logger = logging.getLogger("geneva")
    if logger.handlers:
        logger.warning("%s", text)
    elif sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):  # Closed, or full.
            sys.stderr.write(f"{PREFIX}{text}\n")
