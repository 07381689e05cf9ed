"""Who stores a function with a table."""

from __future__ import annotations

import getpass
import os
import socket
from datetime import datetime, timezone


def this_author() -> str:
    """Return who this process runs for, and where: ``user@host``."""
    try:
        user = getpass.getuser()
    except (ImportError, KeyError, OSError):  # A container may not know the user by name.
        user = f"uid{os.getuid()}" if hasattr(os, "getuid") else "unknown"
    return f"{user}@{socket.gethostname()}"


def now() -> str:
    """Return the time, ISO 8601 in UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
