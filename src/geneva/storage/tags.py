"""Tags that keep the version that a job reads, as long as it reads it.

``geneva-<field id>-<call>``: only the holder of a column's lease has one, so whoever holds the
lease knows that all others of that column were left by jobs that died.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from geneva.storage.dataset import Dataset
from geneva.storage.names import call_tag

_PREFIX = "geneva"


@dataclass(frozen=True, slots=True)
class JobTag:
    """A tag of a job.

    Attributes
    ----------
    name : str
        Name of the tag.
    field_id : int
        Field of the column that the job computes.
    call_tag : str
        Beginning of the id of the job's call.
    version : int
        Version that it keeps.
    """

    name: str
    field_id: int
    call_tag: str
    version: int


@contextlib.contextmanager
def tagged(dataset: Dataset, field_id: int, call_id: str) -> Iterator[None]:
    """Keep a dataset's version from being cleaned up inside."""
    name = f"{_PREFIX}-{field_id}-{call_tag(call_id)}"
    try:
        _create(dataset, name)
    except ValueError as error:
        if "already exists" not in str(error):
            raise
        # Another driver of the same call was lost.
        remove_tag(dataset, name)
        _create(dataset, name)
    try:
        yield
    finally:
        remove_tag(dataset, name)


def _create(dataset: Dataset, name: str) -> None:
    try:
        dataset.tags.create(name, dataset.version)
    except ValueError:
        # It may be this very tag, if the answer was lost and Lance tried again.
        found = dataset.tags.list().get(name)
        if found is None or found["version"] != dataset.version:
            raise


def list_tags(dataset: Dataset) -> list[JobTag]:
    """Return the tags of jobs, dead or alive."""
    found = []
    for name, tag in dataset.tags.list().items():
        pieces = name.split("-")
        if len(pieces) == 3 and pieces[0] == _PREFIX and pieces[1].isdigit():
            found.append(JobTag(name, int(pieces[1]), pieces[2], tag["version"]))
    return found


def remove_tag(dataset: Dataset, name: str) -> None:
    """Remove a tag; one that is gone already is fine, and so is a table that is."""
    # What stays is removed by the next job of the column or by gc, and the job's result matters.
    with contextlib.suppress(ValueError, OSError):
        dataset.tags.delete(name)
