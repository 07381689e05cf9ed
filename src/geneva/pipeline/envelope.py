"""How events travel from a worker's process to the driver's."""

from __future__ import annotations

from dataclasses import dataclass, replace

from geneva.jobs.events import Event, TaskFailed
from geneva.pipeline.failure import PackedError, pack_error, unpack_error


@dataclass(frozen=True, slots=True)
class Envelope:
    """An event with the job that it belongs to.

    Attributes
    ----------
    round_id : str or None
        The job; None for what a worker says before it has one.
    event : Event
        What happened.
    error : PackedError or None
        The error of a :class:`~geneva.jobs.events.TaskFailed`, which itself may not pickle and
        would lose its cause.
    """

    round_id: str | None
    event: Event
    error: PackedError | None = None


def sealed(round_id: str | None, event: Event) -> Envelope:
    """Put an event into an envelope, in the process where it happened."""
    if isinstance(event, TaskFailed):
        packed = pack_error(event.error)
        return Envelope(round_id, replace(event, error=RuntimeError()), packed)
    return Envelope(round_id, event)


def opened(envelope: Envelope) -> Event:
    """Return the event."""
    event = envelope.event
    if envelope.error is not None and isinstance(event, TaskFailed):
        return replace(event, error=unpack_error(envelope.error))
    return event
