"""An explanation of a job: what limits it, and what to change. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Limit(enum.Enum):
    """What limits a job; the value says it to the user."""

    READ = "reading"
    UDF = "the function"
    CHECKPOINT = "making rows durable"
    WRITE = "writing"
    COMMIT = "committing"
    RESOURCES = "a lack of resources"
    SLOW_ROW = "one slow row"
    LOST_WORKERS = "the loss of workers"
    SETUP = "the function's setup"
    STARTING = "its start"
    PAUSED = "a pause"
    NOTHING = ""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a job is doing, in a paragraph: ``str()`` writes it.

    Attributes
    ----------
    doing : str
        What it does now, or how it ended.
    limit : Limit
        What limits it.
    why : str
        What was measured.
    setting : str
        The one setting to change, with a value; empty if there is none.
    effect : str
        What that does.

    Examples
    --------
    >>> print(Explanation("It reads", Limit.READ, "93 % of it", "batch_size=64", "less often"))
    It reads. Reading limits it: 93 % of it. Change batch_size=64: less often.
    """

    doing: str
    limit: Limit
    why: str
    setting: str = ""
    effect: str = ""

    def __str__(self) -> str:
        text = f"{self.doing}."
        limit = self.limit.value
        if limit:
            text += f" {limit[0].upper()}{limit[1:]} limits it: {self.why}."
        elif self.why:
            text += f" {self.why}."
        if self.setting:
            text += f" Change {self.setting}: {self.effect}."
        return text
