"""What a cleanup found, in words and in numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from geneva.jobs.leftovers import Kind, Leftover
from geneva.jobs.wording import counted
from geneva.markup import worded

_KINDS = {
    "batch_deleted": Kind.PART,
    "orphan_frag_deleted": Kind.COLUMN_FILE,
    "udtf_batch_deleted": None,
}


@dataclass(frozen=True, slots=True)
class Cleanup(Mapping[str, int]):
    """What was removed of what jobs left with a table, or would be.

    It counts like a dictionary: ``batch_deleted`` parts, ``orphan_frag_deleted`` column files that
    no version holds, and ``udtf_batch_deleted``, always 0. ``print()`` it to see everything.

    Attributes
    ----------
    table_name : str
        The table.
    found : tuple of Leftover
        What was removed, each with its path, kind, size in bytes and the reason.
    dry_run : bool
        Whether nothing was removed.

    Examples
    --------
    >>> left = Leftover("_geneva/parts/9/0f/0-0-4-dense-a.arrow", Kind.PART, 512, "committed")
    >>> cleanup = Cleanup("docs", (left,), dry_run=True)
    >>> dict(cleanup)
    {'batch_deleted': 1, 'orphan_frag_deleted': 0, 'udtf_batch_deleted': 0}
    >>> print(cleanup)
    docs: would remove 1 part, 512 bytes
      _geneva/parts/9/0f/0-0-4-dense-a.arrow  part, 512 bytes: committed
    """

    table_name: str
    found: tuple[Leftover, ...]
    dry_run: bool

    def __getitem__(self, name: str) -> int:
        return sum(left.kind is _KINDS[name] for left in self.found)

    def __iter__(self) -> Iterator[str]:
        return iter(_KINDS)

    def __len__(self) -> int:
        return len(_KINDS)

    @property
    def size_bytes(self) -> int:
        """Size of everything whose size is known."""
        return sum(left.size_bytes or 0 for left in self.found)

    def __str__(self) -> str:
        kinds = [left.kind for left in self.found]
        counts = [counted(kinds.count(kind), kind.value) for kind in Kind if kind in kinds]
        what = ", ".join(counts) or "nothing"
        size = f", {self.size_bytes:,} bytes" if self.size_bytes else ""
        lines = [f"{self.table_name}: {'would remove' if self.dry_run else 'removed'} {what}{size}"]
        for left in self.found:
            size = "" if left.size_bytes is None else f", {left.size_bytes:,} bytes"
            lines.append(f"  {left.path}  {left.kind.value}{size}: {left.why}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return worded(self)

    def to_json(self) -> str:
        """Return the same as JSON."""
        found = [{**asdict(left), "kind": left.kind.value} for left in self.found]
        return json.dumps({"table": self.table_name, "dry_run": self.dry_run, "found": found})
