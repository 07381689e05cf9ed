"""What is to be done in one fragment, and in one task of it."""

from __future__ import annotations

from dataclasses import dataclass

from geneva.storage.model import Part, RowRange


@dataclass(frozen=True, slots=True)
class ApplyTask:
    """Compute the selected rows in one physical range of one fragment.

    Attributes
    ----------
    task_id : int
        Unique in its plan.
    fragment_id : int
        The fragment.
    rows : RowRange
        The physical range.
    batch_rows : int or None
        Most rows per call, after a worker died with more; None for no such bound.
    """

    task_id: int
    fragment_id: int
    rows: RowRange
    batch_rows: int | None = None


@dataclass(frozen=True, slots=True)
class FragmentPlan:
    """What is to be done in one fragment.

    Attributes
    ----------
    fragment_id, physical_rows : int
        The fragment and its rows including deleted ones.
    fingerprint : str
        What the new column file will be known by.
    pending_rows : int
        Rows to compute.
    ranges : tuple of RowRange
        Physical ranges that hold them.
    where : str or None
        Filter that selects them.
    exclude : bytes or None
        Rows not to compute although the filter selects them, packed.
    kept : bytes or None
        Rows whose old values count as computed, packed.
    keep_old : bool
        Whether values that the fragment holds stay for rows that are not computed now.
    complete : bool
        Whether all live rows are computed when this is done.
    parts : tuple of Part
        Parts of an earlier job to take over.
    failed : bytes or None
        Rows for which the function failed in earlier calls, packed; those that are not computed now
        stay failed.
    """

    fragment_id: int
    physical_rows: int
    fingerprint: str
    pending_rows: int
    ranges: tuple[RowRange, ...]
    where: str | None
    exclude: bytes | None
    kept: bytes | None
    keep_old: bool
    complete: bool
    parts: tuple[Part, ...] = ()
    failed: bytes | None = None

    @property
    def whole(self) -> bool:
        """Whether one task computes the whole file, so that it can be written directly."""
        return (
            not self.keep_old
            and not self.parts
            and self.ranges == (RowRange(0, self.physical_rows),)
        )
