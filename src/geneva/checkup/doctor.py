"""Makes all checks, one after the other, and removes what they wrote."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from geneva.checkup import cluster, function, machine, storage, tiny_job, versions
from geneva.checkup.deadline import within
from geneva.db import connect
from geneva.report import Check, Report
from geneva.resources.shape import ClusterShape, shape_of_machine
from geneva.runners.machine import this_machine
from geneva.runners.select import chosen_runner, connect_to_ray, disconnect_from_ray
from geneva.storage.files import TableFiles
from geneva.storage.model import TableLocation
from geneva.storage.scratch import Scratch

if TYPE_CHECKING:
    from geneva.runners.ray.census import Census
    from geneva.transformer.udf import UDF

_LOOK_S = 10.0
_STORAGE_S = 40.0
_CONNECT_S = 75.0
_NODES_S = 30.0
_IMPORT_S = 60.0
_JOB_S = 90.0
# What a job takes to stop after its own timeout.
_GRACE_S = 20.0
_REMOVE_S = 30.0


def doctor(
    uri: str | Path | None = None,
    *,
    udf: UDF | str | None = None,
    storage_options: Mapping[str, str] | None = None,
    progress: bool = False,
) -> Report:
    """Check that backfills can run here: versions, resources, storage, cluster, and a tiny job.

    The cluster is the one that this process is connected to, or that ``RAY_ADDRESS`` names. Each
    check has a deadline. A problem is never raised: it is a line of the report, with its fix.

    Parameters
    ----------
    uri
        A database, of which the storage is checked with files and commits in a folder of their
        own, removed at the end. Default: a temporary folder of this machine.
    udf
        A function to check as well, or where it is: ``"module:name"``.
    storage_options
        Options of the object store: credentials, region, endpoint.
    progress
        Whether to say on the error output what is being checked.

    Returns
    -------
    Report
        What was found; ``report.ok`` says whether no check failed.

    Examples
    --------
    >>> import geneva
    >>> report = geneva.doctor()
    >>> [check.name for check in report.checks if check.status == "failed"]
    []
    """
    return _Checkup(uri, udf, storage_options, progress=progress).run()


class _Checkup:
    """The checks of one call, and what later ones need of earlier ones."""

    def __init__(
        self,
        uri: str | Path | None,
        udf: UDF | str | None,
        storage_options: Mapping[str, str] | None,
        *,
        progress: bool,
    ) -> None:
        self._uri = None if uri is None else str(uri)
        self._udf = udf
        self._options = dict(storage_options or {})
        self._progress = progress
        self._checks: list[Check] = []
        self._scratch: Scratch | None = None
        self._census: Census | None = None
        self._function: UDF | None = None
        self._connected_here = False

    def run(self) -> Report:
        try:
            self._check_machine()
            self._check_storage()
            shape = self._check_place()
            if self._udf is not None:
                self._check_function(self._udf, shape)
            self._check_job()
        finally:
            self._tidy()
        return Report(tuple(self._checks))

    def _check_machine(self) -> None:
        self._do(_LOOK_S, "versions", versions.check_versions, "Install Geneva again.")
        fix = "Look at this machine, or its container."
        for name, check in (
            ("cpus", machine.check_cpus),
            ("memory", machine.check_memory),
            ("gpus", machine.check_gpus),
        ):
            self._do(_LOOK_S, name, check, fix)
        local = self._uri if self._uri is not None and "://" not in self._uri else None
        self._do(_LOOK_S, "disk", partial(machine.check_disk, local), fix)

    def _check_storage(self) -> None:
        place = TableLocation(self._uri or "")

        def begin() -> Sequence[Check]:
            nonlocal place
            # connect() says which URIs are none.
            uri = connect(tempfile.gettempdir() if self._uri is None else self._uri).uri
            place = TableLocation(uri, tuple(sorted(self._options.items())))
            self._scratch = Scratch(place)
            return storage.check_permissions(self._scratch.location)

        fix = storage.permissions_fix(place if self._uri else TableLocation(tempfile.gettempdir()))
        works = self._do(_STORAGE_S, storage.PERMISSIONS, begin, fix)
        if not works or self._scratch is None:
            self._skip(storage.CONDITIONAL, "files cannot be written")
            return
        check = partial(storage.check_conditional_put, self._scratch.location)
        self._do(_STORAGE_S, storage.CONDITIONAL, check, storage.conditional_fix(place))

    def _check_place(self) -> ClusterShape | None:
        """Look at where a backfill would run; return its shape, None if it could not."""
        shape = shape_of_machine(this_machine())
        if chosen_runner(None) != "ray":
            found = "this process is connected to none, and RAY_ADDRESS is not set"
            self._skip(cluster.NAME, found, "To check one, call doctor() while connected to it.")
            return shape
        if self._do(_CONNECT_S, cluster.NAME, self._connect, cluster.FIX):
            self._do(_NODES_S + _GRACE_S, cluster.NAME, self._ask_nodes, cluster.FIX)
        return None if self._census is None else self._census.shape

    def _connect(self) -> Sequence[Check]:
        self._connected_here = connect_to_ray()
        return ()

    def _ask_nodes(self) -> Sequence[Check]:
        from geneva.runners.ray.census import SHARED_FILE, take_census

        place = self._scratch.location if self._scratch and self._storage_works() else None
        if place is not None:
            TableFiles(place).write(SHARED_FILE, b"of the caller\n")
        self._census = take_census(place, _NODES_S)
        checks = [*cluster.check_nodes(self._census)]
        if place is not None:
            checks += cluster.check_node_storage(self._census)
        return checks

    def _check_function(self, named: UDF | str, shape: ClusterShape | None) -> None:
        def load() -> Sequence[Check]:
            self._function = function.load_function(named)
            return function.check_loading(self._function)

        fix = "Run this where the module can be imported, and name a function of it as module:name."
        if not self._do(_IMPORT_S, function.LOADING, load, fix) or self._function is None:
            return
        pickled = partial(function.check_pickling, self._function)
        fix = "Create what cannot be pickled inside the function, or in setup() of a class."
        self._do(_IMPORT_S, function.PICKLING, pickled, fix)
        if shape is None:
            self._skip(function.REQUEST, "the cluster cannot be asked")
            return
        self._do(
            _LOOK_S,
            function.REQUEST,
            partial(function.check_request, self._function, shape),
            "Ask for less.",
        )

    def _check_job(self) -> None:
        needed = (storage.PERMISSIONS, storage.CONDITIONAL, cluster.NAME, cluster.NODE_STORAGE)
        broken = [c.name for c in self._checks if c.name in needed and c.status == "failed"]
        if broken or self._scratch is None:
            self._skip(tiny_job.NAME, f"it needs what failed: {', '.join(broken)}")
            return
        job = partial(tiny_job.run_tiny_job, self._scratch.location, _JOB_S)
        self._do(_JOB_S + _GRACE_S, tiny_job.NAME, job, tiny_job.FIX)

    def _tidy(self) -> None:
        scratch = self._scratch
        if scratch is not None:

            def remove() -> Sequence[Check]:
                scratch.remove()
                return ()

            made = within(_REMOVE_S, "removal", remove, f"Delete {scratch.location.uri} yourself.")
            # Where nothing could be written, that nothing can be removed says nothing new.
            self._checks += made if self._storage_works() else ()
        if self._connected_here:
            disconnect_from_ray()

    def _storage_works(self) -> bool:
        return any(c.name == storage.PERMISSIONS and c.status == "ok" for c in self._checks)

    def _do(
        self, seconds: float, name: str, check: Callable[[], Sequence[Check]], fix: str
    ) -> bool:
        """Make a check; return whether nothing of it failed."""
        if self._progress:
            print(f"geneva doctor: {name} ...", file=sys.stderr)  # noqa: T201 - what was asked for
        made = within(seconds, name, check, fix)
        self._checks += made
        return all(one.status != "failed" for one in made)

    def _skip(self, name: str, why: str, fix: str = "") -> None:
        self._checks.append(Check(name, "skipped", why, fix))
