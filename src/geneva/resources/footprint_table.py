"""The table of what a job asks for: as text, as HTML, as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

_HEAD = ("component", "count", "CPU", "GPU", "memory", "CPU in all", "GPU in all", "memory in all")


@dataclass(frozen=True, slots=True)
class FootprintLine:
    """One component in the table of a footprint.

    Attributes
    ----------
    component : str
        Its name.
    count : int
        How many there are.
    num_cpus, num_gpus : float
        CPUs and GPUs of each.
    memory_bytes : int
        Memory of each.
    """

    component: str
    count: int
    num_cpus: float
    num_gpus: float = 0.0
    memory_bytes: int = 0

    @property
    def empty(self) -> FootprintLine:
        """The same if it asked for nothing."""
        return FootprintLine(self.component, self.count, 0.0)

    @property
    def total(self) -> FootprintLine:
        """All of them together."""
        return FootprintLine(
            "total",
            self.count,
            self.count * self.num_cpus,
            self.count * self.num_gpus,
            self.count * self.memory_bytes,
        )


def footprint_total(lines: Sequence[FootprintLine]) -> FootprintLine:
    """Return what all components ask for together.

    Examples
    --------
    >>> footprint_total([FootprintLine("driver", 1, 0.1), FootprintLine("applier", 4, 1.0)])
    FootprintLine(component='total', count=5, num_cpus=4.1, num_gpus=0.0, memory_bytes=0)
    """
    totals = [line.total for line in lines]
    return FootprintLine(
        "total",
        sum(line.count for line in lines),
        round(sum(total.num_cpus for total in totals), 4),
        round(sum(total.num_gpus for total in totals), 4),
        sum(total.memory_bytes for total in totals),
    )


def footprint_text(lines: Sequence[FootprintLine]) -> str:
    """Return the table as aligned text."""
    rows = [_HEAD, *_rows(lines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if not i else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def footprint_html(lines: Sequence[FootprintLine]) -> str:
    """Return the table as HTML."""
    from html import escape

    head = "".join(f"<th>{escape(cell)}</th>" for cell in _HEAD)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in _rows(lines)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def footprint_json(lines: Sequence[FootprintLine]) -> str:
    """Return the table as JSON."""
    total = asdict(footprint_total(lines))
    return json.dumps({"components": [asdict(line) for line in lines], "total": total})


def _rows(lines: Sequence[FootprintLine]) -> list[tuple[str, ...]]:
    # On one machine nothing stands beside the appliers.
    if all(line == line.empty for line in lines if line.component != "applier"):
        lines = [line for line in lines if line.component == "applier"]
    total = footprint_total(lines)
    rows = [
        (
            line.component,
            str(line.count),
            _number(line.num_cpus),
            _number(line.num_gpus),
            _memory(line.memory_bytes),
            _number(line.total.num_cpus),
            _number(line.total.num_gpus),
            _memory(line.total.memory_bytes),
        )
        for line in lines
    ]
    sums = (_number(total.num_cpus), _number(total.num_gpus), _memory(total.memory_bytes))
    return [*rows, ("total", str(total.count), "", "", "", *sums)]


def _number(number: float) -> str:
    return f"{number:.4f}".rstrip("0").rstrip(".")


def _memory(number: int) -> str:
    """Write bytes in the unit that is exact for them."""
    if number % (1 << 30) == 0:
        return f"{number >> 30} GiB" if number else "0"
    return f"{number / (1 << 20):.10g} MiB"
