"""Measures how much memory this process has held at most since a moment of our choosing."""

from __future__ import annotations

import contextlib
import re
import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")
# Linux resets the peak when this is written; see proc_pid_clear_refs(5).
_RESET_PEAK = "5"
_PEAK = re.compile(rb"VmHWM:\s*(\d+) kB")


class PeakMemory:
    """The peak of this process's resident memory.

    Not from ``getrusage``: what that says of a new process includes the one that it was forked
    from, and cannot be reset. It is used where there is nothing else.

    Examples
    --------
    >>> peak = PeakMemory()
    >>> peak.reset()
    >>> before = peak.bytes
    >>> held = bytearray(64 << 20)
    >>> del held
    >>> peak.bytes - before > 32 << 20
    True
    """

    def reset(self) -> None:
        """Begin anew with what the process holds now, where the system can do that."""
        with contextlib.suppress(OSError):
            _CLEAR_REFS.write_text(_RESET_PEAK)

    @property
    def bytes(self) -> int:
        """Most bytes at once; since the process began where the peak cannot be reset."""
        try:
            found = _PEAK.search(_STATUS.read_bytes())
        except OSError:
            found = None
        if found is not None:
            return int(found[1]) << 10
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak << 10
