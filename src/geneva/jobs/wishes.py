"""What others wish of a job while it runs: an end, a pause, more or fewer workers. Pure.

Each wish is a file of its own, so none of two that are made at once is lost.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

from geneva.errors import JobCancelledError, JobPausedError, with_details


class WishKind(str, enum.Enum):
    """What is wanted."""

    CANCEL = "cancel"
    PAUSE = "pause"
    CONCURRENCY = "concurrency"


@dataclass(frozen=True, slots=True)
class Wish:
    """One wish.

    Attributes
    ----------
    kind : WishKind
        What is wanted.
    by : str
        By whom, as ``user@host``.
    concurrency : int
        How many workers, if that is it.

    Examples
    --------
    >>> Wish.from_json(Wish(WishKind.CONCURRENCY, "ada@lab", 4).to_json()).concurrency
    4
    """

    kind: WishKind
    by: str
    concurrency: int = 0

    def to_json(self) -> str:
        """Return the wish as JSON."""
        return json.dumps({**asdict(self), "kind": self.kind.value})

    @classmethod
    def from_json(cls, text: str) -> Wish | None:
        """Read a wish; None if it is of a kind that is not known here."""
        try:
            given = json.loads(text)
            return cls(WishKind(given["kind"]), str(given["by"]), int(given["concurrency"]))
        except (ValueError, KeyError, TypeError):
            return None


@dataclass(frozen=True, slots=True)
class Wished:
    """All that is wanted of a job, as far as it still counts.

    Attributes
    ----------
    cancelled_by, paused_by : str
        Who wants it to end or to pause; empty if nobody does.
    concurrency : int
        How many workers it is to have at most; 0 if nobody said so since it began.
    concurrency_by : str
        Who said so.
    """

    cancelled_by: str = ""
    paused_by: str = ""
    concurrency: int = 0
    concurrency_by: str = ""


NOTHING_WISHED = Wished()


def sum_of(wishes: Iterable[Wish]) -> Wished:
    """Return what is wanted in all: of two concurrencies the later one.

    Examples
    --------
    >>> made = [Wish(WishKind.CONCURRENCY, "ada", n) for n in (4, 2)]
    >>> sum_of([*made, Wish(WishKind.PAUSE, "bob")])
    Wished(cancelled_by='', paused_by='bob', concurrency=2, concurrency_by='ada')
    """
    wished = NOTHING_WISHED
    for wish in wishes:
        if wish.kind is WishKind.CANCEL:
            wished = replace(wished, cancelled_by=wished.cancelled_by or wish.by)
        elif wish.kind is WishKind.PAUSE:
            wished = replace(wished, paused_by=wished.paused_by or wish.by)
        else:
            wished = replace(wished, concurrency=wish.concurrency, concurrency_by=wish.by)
    return wished


def cancelled(job_id: str) -> JobCancelledError:
    """Return the error for a job that somebody stopped."""
    return JobCancelledError(
        f"Job {job_id} was cancelled. What was computed is kept; a new backfill goes on from there."
    )


def paused(job_id: str, by: str) -> JobPausedError:
    """Return the error for a job that somebody paused, which says how to go on."""
    error = JobPausedError(
        f"Job {job_id} was paused by {by}. What was computed is kept, and its workers are free. Go "
        f"on with db.get_job({job_id!r}).resume(), in any process that reaches the database; "
        "cancel() gives it up."
    )
    with_details(error, by=by)
    return error
