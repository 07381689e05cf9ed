"""What the rows of a page are in a computed column: fresh, stale, missing or failed, and why."""

from __future__ import annotations

from dataclasses import dataclass

from geneva.errors import NotComputedError
from geneva.storage.dataset import Dataset
from geneva.storage.definitions import computed_column, is_computed
from geneva.storage.failed_rows import failed_rows
from geneva.storage.files import TableFiles
from geneva.storage.held import ColumnFields
from geneva.storage.lineage import Lineage
from geneva.storage.model import ComputedColumn, Origin, TableLocation
from geneva.storage.page import Page
from geneva.storage.proofs import Proofs
from geneva.storage.row_states import FAILED_WORDS, FRESH, Reasons

_OFFSET_BITS = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class RowState:
    """What one row is in a computed column.

    Attributes
    ----------
    origin : Origin
        ``FRESH``, ``STALE``, ``MISSING`` or ``FAILED``.
    why : str
        Of a row that failed, the error; of another that is not fresh, the reason.
    """

    origin: Origin
    why: str = ""


def runnable_column(dataset: Dataset, name: str) -> ComputedColumn | None:
    """Return the definition of a column; None if no function that runs here computes it."""
    if not is_computed(dataset.schema.field(name)):
        return None
    try:
        return computed_column(dataset, name)
    except (NotComputedError, KeyError, ValueError):  # Another program's, or it cannot be read.
        return None


def states_of_page(
    dataset: Dataset, location: TableLocation, column: ComputedColumn, page: Page
) -> list[RowState]:
    """Return the state of each row of a page, in order. Only its fragments are looked at.

    Raises
    ------
    DamagedFileError
        A column file that says it is damaged.
    """
    fields = ColumnFields(dataset, column)
    lineage = Lineage(dataset, location, column, fields, Proofs(TableFiles(location), column))
    found = []
    for address in page.addresses:
        codes = lineage.states_of(address >> 32).codes
        found.append(_state(lineage.reasons, int(codes[address & _OFFSET_BITS])))
    if all(state.origin is Origin.FRESH for state in found):
        return found
    failures = failed_rows(dataset, location, column, page.fragments)
    words = {
        address: f"{kind}: {message}"
        for address, kind, message in zip(
            failures["row_address"].to_pylist(),
            failures["error_type"].to_pylist(),
            failures["error_message"].to_pylist(),
            strict=True,
        )
    }
    return [
        RowState(Origin.FAILED, words[address]) if address in words else state
        for address, state in zip(page.addresses, found, strict=True)
    ]


def _state(reasons: Reasons, code: int) -> RowState:
    if code == FRESH:
        return RowState(Origin.FRESH)
    origin, why = reasons.of(code)
    return RowState(origin, FAILED_WORDS if origin is Origin.FAILED else why)
