"""Verify the computed columns of a table: look at each, and judge what was seen."""

from __future__ import annotations

from geneva.storage.dataset import Dataset
from geneva.storage.definitions import check_computed, computed_columns
from geneva.storage.facts import ColumnFacts
from geneva.storage.groups import first_of_each, together
from geneva.storage.model import TableLocation
from geneva.storage.schema import check_column
from geneva.storage.verification import look_at_column
from geneva.verification.judgement import judge
from geneva.verification.report import VerificationReport, VerifiedColumn


def verify_columns(
    dataset: Dataset, location: TableLocation, column: str | None, *, deep: bool
) -> VerificationReport:
    """Verify one computed column of a table, or all of them for None.

    Raises
    ------
    ColumnNotFoundError
        There is no such column.
    NotComputedError
        No function computes it.
    """
    every = computed_columns(dataset)
    if column is not None:
        check_column(dataset, location.name, column)
        check_computed(dataset, column)
    names = [column] if column is not None else first_of_each(dataset.schema, every)
    seen = [look_at_column(dataset, location, name, deep=deep) for name in names]
    return VerificationReport(
        table=location.name,
        version=dataset.version,
        deep=deep,
        columns=tuple(
            _summary(facts, name)
            for facts in seen
            for name in (together(dataset.schema, facts.column) if column is None else [column])
        ),
        findings=tuple(finding for facts in seen for finding in judge(facts)),
    )


def _summary(facts: ColumnFacts, name: str) -> VerifiedColumn:
    return VerifiedColumn(
        column=name,
        fragments=len(facts.fragments),
        rows=sum(fragment.physical_rows for fragment in facts.fragments),
        files=sum(len(fragment.files) for fragment in facts.fragments),
        parts=sum(fragment.parts for fragment in facts.fragments),
        spare_parts=facts.spare_parts,
    )
