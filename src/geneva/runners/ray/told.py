"""Lines that a driver on the cluster tells, where its caller is."""

from __future__ import annotations

import sys

from geneva.pipeline.journal import Line
from geneva.warned import PREFIX, warn_line


def show_line(line: Line) -> None:
    """Print a line of a function, and warn of what the driver warns of.

    What functions print names its worker, so it does not begin as a warning does.
    """
    if line.stream == "stderr" and line.text.startswith(PREFIX):
        warn_line(line.text.removeprefix(PREFIX))
        return
    # Looked up at each line: notebooks and progress bars replace these objects.
    print(line.text, file=getattr(sys, line.stream))
