"""Makes a job again out of its record, so that one that was paused can go on in any process."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import pickle
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

from geneva.config import signing_key
from geneva.errors import InvalidArgumentError, TableChangedError, UntrustedFunctionError
from geneva.jobs.record import JobRecord
from geneva.jobs.spec import BackfillArguments, check_arguments
from geneva.pipeline.backfill_job import BackfillJob, Before
from geneva.storage.author import this_author
from geneva.storage.dataset import Dataset, open_dataset
from geneva.storage.definitions import computed_column
from geneva.storage.files import TableFiles
from geneva.storage.model import ComputedColumn, TableLocation
from geneva.storage.overrides import list_overrides
from geneva.transformer.pickling import pickle_by_value

_SECONDS = ("timeout", "stall_timeout", "row_timeout")
# Of the definition, what a function that was given in the call brings along.
_OWN = (
    "udf_name",
    "udf_version",
    "payload",
    "input_columns",
    "options",
    "repointed",
    "stored_by",
    "stored_at",
    "signature",
)


def call_of(job: BackfillJob) -> dict[str, Any]:
    """Return what a record keeps of a job, so that it can be made again, as JSON takes it."""
    arguments = {f.name: getattr(job.arguments, f.name) for f in fields(job.arguments)}
    on_error = arguments.pop("on_error")
    for name in _SECONDS:
        if isinstance(arguments[name], timedelta):
            arguments[name] = arguments[name].total_seconds()
    return {
        "call_id": job.call_id,
        "parts_uri": job.location.parts_uri,
        "arguments": arguments,
        "on_error": None if on_error is None else _sealed(on_error),
        "columns": [
            {"name": column.name, **{name: getattr(column, name) for name in _OWN}}
            for column in job.columns
        ],
    }


def job_again(
    database: TableLocation, record: JobRecord, concurrency: int | None = None
) -> BackfillJob:
    """Return the job that a record is of, to go on where it was paused.

    It is the same call: values that it computed again because of ``force`` are not computed again.

    Parameters
    ----------
    database
        Where it is recorded.
    record
        Its record.
    concurrency
        Most workers from now on; None keeps what it had.

    Raises
    ------
    TableChangedError
        A column has another function by now.
    UntrustedFunctionError
        There is a key, and the job's ``on_error=`` is not signed with it.
    InvalidArgumentError
        The record lacks what is needed, or the concurrency is no positive number.
    """
    try:
        call = json.loads(record.config)["call"]
        given = dict(call["arguments"])
    except (ValueError, KeyError, TypeError):
        raise InvalidArgumentError(
            f"Job {record.job_id} was recorded by another version of Geneva, which did not keep "
            "what resume() needs. A new backfill goes on from what is computed."
        ) from None
    uri = f"{database.uri}/{record.table_name}.lance"
    location = replace(database, uri=uri, parts_uri=call["parts_uri"])
    if concurrency is not None:
        given["concurrency"] = concurrency
    if call["on_error"] is not None:
        given["on_error"] = _opened(call["on_error"], record.job_id)
    known = BackfillArguments.__dataclass_fields__
    arguments = BackfillArguments(**{name: v for name, v in given.items() if name in known})
    check_arguments(arguments)
    dataset = open_dataset(location)
    first, *then = [_column(dataset, location, one, record) for one in call["columns"]]
    alone = not then
    return BackfillJob(
        record.job_id,
        location,
        first,
        _rest(arguments, record) if alone else arguments,
        call_id=call["call_id"],
        then=tuple(then),
        # Of several columns, what is counted is counted for each.
        before=_before(record) if alone else None,
        resumed_by=this_author(),
    )


def _before(record: JobRecord) -> Before:
    progress = replace(record.progress, stage="planning", version=0)
    return Before(progress, record.launched_at)


def _rest(arguments: BackfillArguments, record: JobRecord) -> BackfillArguments:
    """Return the arguments for those of the fragments in question that are not done yet."""
    if arguments.num_frags is None:
        return arguments
    left = arguments.num_frags - record.progress.fragments_done
    if left > 0:
        return replace(arguments, num_frags=left)
    return replace(arguments, num_frags=1, skip_frags=1 << 40)  # All of them are done.


def _column(
    dataset: Dataset, location: TableLocation, said: dict[str, Any], record: JobRecord
) -> ComputedColumn:
    """Return a column with the function that the job began with."""
    column = computed_column(dataset, said["name"])
    if column.payload == said["payload"]:
        return column
    overrides = list_overrides(TableFiles(location))
    if not any((o.field_id, o.payload) == (column.field_id, said["payload"]) for o in overrides):
        raise TableChangedError(
            f"Job {record.job_id} cannot go on: since it was paused, {record.table_name}."
            f"{column.name} was given another function, {column.udf_name}. Run a new backfill; "
            "cancel() gives this job up."
        )
    own = {name: said[name] for name in _OWN}
    return replace(
        column, **{**own, "input_columns": tuple(own["input_columns"]), "parts": "", "changed": ""}
    )


def _sealed(on_error: object) -> dict[str, str]:
    """Return matchers of errors pickled: they name classes, which may be the caller's own."""
    data = pickle_by_value(on_error)
    key = signing_key()
    return {
        "pickle": base64.b64encode(data).decode(),
        "signature": "" if key is None else _signature(data, key),
    }


def _opened(sealed: dict[str, str], job_id: str) -> Any:
    data = base64.b64decode(sealed["pickle"])
    key = signing_key()
    if key is not None and not hmac.compare_digest(sealed["signature"], _signature(data, key)):
        raise UntrustedFunctionError(
            f"The on_error= of job {job_id} is not signed with this process's key, or was altered; "
            "it was not loaded. Run a new backfill and say on_error= there."
        )
    return pickle.loads(data)


def _signature(data: bytes, key: str) -> str:
    return hmac.new(key.encode(), b"on_error:" + data, hashlib.sha256).hexdigest()
