"""What a job holds of a table while it runs: the lease of its column, and its source version."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from types import TracebackType

from geneva.errors import ColumnBusyError, TableChangedError
from geneva.pipeline.driver import StopSignal
from geneva.storage.claims import RENEW_S
from geneva.storage.dataset import Dataset, open_dataset
from geneva.storage.files import TableFiles
from geneva.storage.leases import Lease
from geneva.storage.model import ColumnFile, TableLocation
from geneva.storage.tags import list_tags, remove_tag, tagged

# A store that does not answer is not waited for at the end of a job.
_JOIN_S = 5.0


class Reservation:
    """Holds a column for one job, inside a ``with`` block.

    Parameters
    ----------
    lease
        The lease of the column.
    dataset
        The table, from which tags of dead jobs of this column are removed.
    field_id, call_id
        The column's field and the job's call.
    stop
        Ends the job if the lease is lost.
    """

    def __init__(
        self, lease: Lease, dataset: Dataset, field_id: int, call_id: str, stop: StopSignal
    ) -> None:
        self._lease = lease
        self._dataset = dataset
        self._field_id = field_id
        self._call_id = call_id
        self._stop = stop
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="geneva-lease", daemon=True)

    def __enter__(self) -> Reservation:
        self._lease.acquire()
        try:
            if self._lease.took_over:
                self._remove_left_tags()
            self._thread.start()
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join(_JOIN_S)
        self._release()

    def check_files(self, location: TableLocation, files: tuple[ColumnFile, ...]) -> None:
        """See that column files are there, if somebody took this job for dead and may clean up.

        Lance does not look: a version that names a missing file cannot be read.

        Raises
        ------
        TableChangedError
            Some were removed.
        TableNotFoundError
            The table was.
        """
        if self._lease.is_held():
            return
        open_dataset(location)
        there = TableFiles(location)
        every = [one for file in files for one in (file, *file.beside)]
        if not all(there.exists(f"data/{file.path}") for file in every):
            raise TableChangedError(
                f"This job did not run for so long that it was taken for dead, and column files "
                f"that it wrote to {location.name!r} were cleaned up. Run the backfill again."
            )

    def tagged(self, dataset: Dataset) -> contextlib.AbstractContextManager[None]:
        """Keep a version from being cleaned up inside."""
        return tagged(dataset, self._field_id, self._call_id)

    def _remove_left_tags(self) -> None:
        for tag in list_tags(self._dataset):
            if tag.field_id == self._field_id:
                remove_tag(self._dataset, tag.name)

    def _release(self) -> None:
        # It expires anyway, and how the job ended matters more.
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            self._lease.release()

    def _renew(self) -> None:
        while not self._over.wait(RENEW_S):
            try:
                self._lease.renew()
            except ColumnBusyError as error:
                self._stop.ask(error)
                return
            except (OSError, RuntimeError, ValueError):
                continue  # The store may answer again before others take this job for dead.


def pause_unless(stop: StopSignal) -> Callable[[float], None]:
    """Return a wait that raises what somebody asked the job to end with."""

    def pause(seconds: float) -> None:
        time.sleep(seconds)
        if stop.error is not None:
            raise stop.error

    return pause
