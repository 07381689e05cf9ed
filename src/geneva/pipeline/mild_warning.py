"""Warnings of what a job goes on without."""

from __future__ import annotations

import contextlib
import warnings


def warn_mildly(text: str) -> None:
    """Warn, and go on even where warnings are errors.

    Examples
    --------
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("error")
    ...     warn_mildly("The job is not recorded.")
    """
    with contextlib.suppress(RuntimeWarning):
        # What is named is who called whoever met this.
        warnings.warn(text, RuntimeWarning, stacklevel=3)
