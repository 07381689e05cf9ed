"""Keep Lance's own warnings about unstable operations from the user.

Geneva sets ``LANCE_LOG=error`` before Lance is loaded. A program that imports Lance first has
Lance's logger set up already; then the lines are taken out of the process's error output while a
commit runs, and everything else that was written meanwhile is passed on.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# Set by the package before anything of it imports Lance.
lance_was_loaded_first = False
_NOISE = b"This operation is not stable yet"


@contextmanager
def quiet_commit() -> Iterator[None]:
    """Drop Lance's warning about the operation that is committed inside."""
    if not lance_was_loaded_first:
        yield
        return
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            captured.seek(0)
            for line in captured:
                if _NOISE not in line:
                    os.write(kept, line)
            os.close(kept)
