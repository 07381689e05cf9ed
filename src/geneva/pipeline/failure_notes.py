"""Notes what went wrong with the rows of a job, beside the values of the others."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import numpy as np

from geneva.errors import UDFError
from geneva.jobs.commands import JobContext
from geneva.pipeline.failure import FailedPlace, call_error, failed_call
from geneva.pipeline.outcome import Computed
from geneva.storage.dataset import Dataset
from geneva.storage.failures import FailedRow, FailureSource, write_failures
from geneva.storage.files import TableFiles
from geneva.storage.model import ComputedColumn
from geneva.storage.reader import row_id_at
from geneva.storage.shared import each_column
from geneva.transformer.call_failure import CallFailed


class FailureNotes:
    """Stores failed rows in the name of one applier.

    Parameters
    ----------
    context
        The job.
    files, dataset
        The table's files, and the table at the version of the job.
    worker
        What the user reads for the applier.
    """

    def __init__(
        self, context: JobContext, files: TableFiles, dataset: Dataset, worker: str
    ) -> None:
        self._context = context
        self._files = files
        self._dataset = dataset
        self._worker = worker

    def store(self, rows: list[FailedRow], column: ComputedColumn | None = None) -> None:
        """Store rows that are left out, of one of the job's columns if several are computed."""
        context = self._context
        source = FailureSource(
            job_id=context.job_id,
            call_id=context.call_id,
            table_name=context.location.name,
            table_uri=context.location.uri,
            version=context.version,
            column=column or context.column,
            worker=self._worker,
        )
        write_failures(self._files, self._dataset, source, rows)

    def ended(
        self, failed: CallFailed, fragment_id: int, offsets: np.ndarray, computed: Computed
    ) -> UDFError:
        """Store a call that ends the job, and return the error that says so.

        Parameters
        ----------
        failed
            How it failed.
        fragment_id, offsets
            Where the rows of its batch are.
        computed
            What became of them.
        """
        first = len(computed.values) if failed.row is None else failed.row
        place = FailedPlace(fragment_id, int(offsets[first]), computed.ended_rows, row_id=None)
        if failed.row is not None:
            row_id = row_id_at(self._dataset, fragment_id, place.offset)
            place = replace(place, row_id=row_id, rows=1)
        target = each_column(self._context.column)[failed.function]
        # The job ends with it; that it is not on record must not hide why.
        with contextlib.suppress(OSError):
            self.store([failed_call(failed, place, computed.attempts)], target)
        return call_error(replace(self._context, column=target), failed, place)
