"""What the console shows, for all of its pages."""

from __future__ import annotations

from dataclasses import dataclass

from geneva.console.live import LiveJobs
from geneva.console.steering import Steering
from geneva.storage.model import TableLocation


@dataclass(frozen=True, slots=True)
class Console:
    """The jobs of a database, its tables and clusters."""

    database: TableLocation
    live: LiveJobs
    steering: Steering
