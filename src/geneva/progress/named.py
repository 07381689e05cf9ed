"""Let what is logged on behalf of a job name it, from the first warning to the last."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from geneva.pipeline.backfill_job import BackfillJob
from geneva.pipeline.registration import first_progress
from geneva.progress.json_log import job_named

Rest = ParamSpec("Rest")
Result = TypeVar("Result")


def naming_job(
    run: Callable[Concatenate[BackfillJob, Rest], Result],
) -> Callable[Concatenate[BackfillJob, Rest], Result]:
    """Name the job in all that a function logs which does something with it."""

    @wraps(run)
    def named(job: BackfillJob, /, *arguments: Rest.args, **given: Rest.kwargs) -> Result:
        with job_named(first_progress(job)):
            return run(job, *arguments, **given)

    return named
