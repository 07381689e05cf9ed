"""What a worker can be at."""

from __future__ import annotations

import enum


class Stage(enum.Enum):
    """What a worker does; the value says it to the user.

    Examples
    --------
    >>> Stage.UDF.computes, Stage.READ.computes
    (True, False)
    """

    LOAD = "loading the function"
    """It opens the table and fetches the pickled function."""

    SETUP = "setting the function up"
    """It unpickles the function, which imports what that needs, and calls ``setup()``."""

    READ = "reading rows"
    """It waits for rows."""

    UDF = "computing"
    """It calls the function."""

    CHECKPOINT = "making rows durable"
    """It writes a part, or the column file of a fragment that it computed whole."""

    WRITE = "writing a column file"
    """It joins parts."""

    @property
    def computes(self) -> bool:
        """Whether the user's code runs, which may take as long as it likes."""
        return self in (Stage.SETUP, Stage.UDF)
