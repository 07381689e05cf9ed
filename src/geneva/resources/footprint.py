"""What the components of a job ask for: the guide's table, as data.

Per job a driver and a tracker; per unit of concurrency an applier, a writer and a queue. A unit is
reserved at once, and the first one, the core, with the shares of driver and tracker, so that two
jobs never hold half of what each needs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from geneva.resources.cluster import ACCELERATOR_LABEL, CPU, GPU, MEMORY, Bundle, Gang
from geneva.resources.footprint_table import (
    FootprintLine,
    footprint_html,
    footprint_json,
    footprint_text,
)
from geneva.resources.request import Request

# Where the bundles of a unit are in its gang.
WRITER_BUNDLE, APPLIER_BUNDLE = 0, 1


@dataclass(frozen=True, slots=True)
class Components:
    """What the components beside the appliers ask for; the guide's numbers.

    Attributes
    ----------
    driver_cpus, tracker_cpus, writer_cpus, queue_cpus : float
        CPUs of each.
    tracker_memory_bytes, writer_memory_bytes : int
        Memory of each; driver and queues ask for none.
    """

    driver_cpus: float = 0.1
    tracker_cpus: float = 0.1
    tracker_memory_bytes: int = 128 << 20
    writer_cpus: float = 0.1
    writer_memory_bytes: int = 1 << 30
    queue_cpus: float = 0.0


IN_PROCESS = Components(0.0, 0.0, 0, 0.0, 0)
"""What stands beside the appliers of the embedded engine: nothing that is reserved."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """What one job asks of a cluster; ``print()`` shows it as a table.

    Attributes
    ----------
    applier : Request
        One applier.
    concurrency : int
        Units at most.
    components : Components
        Everything beside the appliers.
    threads : int
        Threads of an applier; its CPUs are for all of them.

    Examples
    --------
    The guide's example, a function of one CPU with ``concurrency=4``:

    >>> footprint = Footprint(Request(num_cpus=1), concurrency=4)
    >>> round(footprint.num_cpus, 1), footprint.memory_bytes == (128 << 20) + 4 * (1 << 30)
    (4.6, True)
    """

    applier: Request
    concurrency: int
    components: Components = field(default_factory=Components)
    threads: int = 1

    @property
    def lines(self) -> tuple[FootprintLine, ...]:
        """The components one by one."""
        parts, asked, many = self.components, self.applier, self.concurrency
        return (
            FootprintLine("driver", 1, parts.driver_cpus),
            FootprintLine(
                "tracker", 1, parts.tracker_cpus, memory_bytes=parts.tracker_memory_bytes
            ),
            FootprintLine("applier", many, asked.num_cpus, asked.num_gpus, asked.memory_bytes),
            FootprintLine(
                "writer", many, parts.writer_cpus, memory_bytes=parts.writer_memory_bytes
            ),
            FootprintLine("queue", many, parts.queue_cpus),
        )

    @property
    def num_gpus(self) -> float:
        """GPUs of the whole job."""
        return self.concurrency * self.applier.num_gpus

    def __str__(self) -> str:
        return footprint_text(self.lines)

    def _repr_html_(self) -> str:
        return footprint_html(self.lines)

    def to_json(self) -> str:
        """Return the table as JSON: a list of components, and the total."""
        return footprint_json(self.lines)

    @property
    def num_cpus(self) -> float:
        """CPUs of the whole job."""
        parts = self.components
        unit = self.applier.num_cpus + parts.writer_cpus + parts.queue_cpus
        return parts.driver_cpus + parts.tracker_cpus + self.concurrency * unit

    @property
    def memory_bytes(self) -> int:
        """Memory of the whole job."""
        unit = self.applier.memory_bytes + self.components.writer_memory_bytes
        return self.components.tracker_memory_bytes + self.concurrency * unit

    def unit(self, *, core: bool = False) -> Gang:
        """Return the bundles of one unit; the core also holds what tracker and driver ask for."""
        parts = self.components
        cpus = parts.writer_cpus + parts.queue_cpus
        memory = parts.writer_memory_bytes
        if core:
            # The driver's share too, although the driver runs before: with a share of its own it
            # could keep cores, its own among them, from nodes that these need whole.
            cpus += parts.tracker_cpus + parts.driver_cpus
            memory += parts.tracker_memory_bytes
        aside = Bundle(_asked({CPU: round(cpus, 4), MEMORY: memory}))
        return (aside,) if self.applier_apart else (aside, self.applier_bundle())

    def beginning(self) -> Gang:
        """Return what a job needs to begin: the core, with an applier in any case."""
        core = self.unit(core=True)
        return (*core, self.applier_bundle()) if self.applier_apart else core

    def applier_bundle(self) -> Bundle:
        """Return what one applier takes on its node."""
        asked = self.applier
        amounts = {CPU: asked.num_cpus, GPU: asked.num_gpus, MEMORY: asked.memory_bytes}
        labels = dict(asked.labels)
        if asked.accelerator_type is not None:
            labels[ACCELERATOR_LABEL] = asked.accelerator_type
        return Bundle(_asked({**amounts, **dict(asked.resources)}), labels)

    @property
    def applier_apart(self) -> bool:
        """Whether an applier is not part of its unit's gang.

        One that takes a share of a GPU is not: Ray may reserve it as two halves of devices that no
        single applier can use. One that asks for nothing has nothing to reserve.
        """
        return 0 < self.applier.num_gpus < 1 or not self.applier_bundle().resources


def _asked(amounts: dict[str, float]) -> dict[str, float]:
    return {name: amount for name, amount in amounts.items() if amount > 0}
