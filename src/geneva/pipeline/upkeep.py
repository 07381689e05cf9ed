"""Remove what jobs left with a table and nobody needs."""

from __future__ import annotations

from geneva.jobs.cleanup import Cleanup
from geneva.jobs.leftovers import Kind, Leftover, leftovers
from geneva.storage.dataset import open_dataset
from geneva.storage.files import TableFiles
from geneva.storage.inventory import take_inventory
from geneva.storage.model import TableLocation
from geneva.storage.tags import remove_tag


def clean_up(location: TableLocation, *, dry_run: bool, resumable: bool = False) -> Cleanup:
    """Remove what jobs left with a table and nobody needs, or only say what that is.

    Parameters
    ----------
    location
        The table.
    dry_run
        Whether to remove nothing.
    resumable
        Whether also what an unfinished job left and the next backfill would use.

    Raises
    ------
    TableNotFoundError
        There is no such table.
    """
    found = leftovers(take_inventory(location), resumable=resumable)
    if not dry_run and found:
        # Jobs began while versions were read; what they use now stays.
        first = {left.path for left in found}
        again = leftovers(take_inventory(location), resumable=resumable)
        found = tuple(left for left in again if left.path in first)
        _remove(location, found)
    return Cleanup(location.name, found, dry_run)


def _remove(location: TableLocation, found: tuple[Leftover, ...]) -> None:
    files = TableFiles(location)
    dataset = open_dataset(location)
    for left in found:
        if left.kind is Kind.TAG:
            remove_tag(dataset, left.path)
        else:
            files.delete(left.path)
