"""Hands a job to a cluster: its record, and its driver."""

from __future__ import annotations

import pickle
from datetime import datetime, timezone
from typing import Any

import ray

from geneva.config import Settings
from geneva.pipeline.backfill_job import BackfillJob
from geneva.pipeline.environment import environment_versions
from geneva.pipeline.registration import first_progress, new_record
from geneva.runners.ray.contexts import current_context
from geneva.runners.ray.driver_actor import LISTENING_THREADS, DriverActor, Submission
from geneva.runners.ray.names import NAMESPACE, driver_name
from geneva.runners.ray.private import wait_until_known
from geneva.runners.ray.reach import cluster_address
from geneva.runners.ray.units import NODE_LABEL
from geneva.storage.job_files import JobFiles

MOST_RESTARTS = 3


def record_submission(job: BackfillJob, settings: Settings) -> None:
    """Record a job that is to be submitted, in place of an earlier one of its id."""
    files = JobFiles(job.location.database, job.job_id)
    files.clear()
    now = datetime.now(timezone.utc)
    record = new_record(job, settings, now, runner="ray", cluster_name=cluster_name())
    files.write_record(record.to_json())


def cluster_name() -> str | None:
    """Return the name that the cluster is defined under, or else its address."""
    return getattr(current_context(), "cluster_name", None) or cluster_address()


def start_driver(
    job: BackfillJob, settings: Settings, *, detached: bool, avoided_node: str = ""
) -> Any:
    """Start the driver of a recorded job on the cluster that this process is connected to.

    Parameters
    ----------
    job
        The job.
    settings
        Settings of this process.
    detached
        Whether the job goes on without this process. Ray then starts a lost driver again.
        Otherwise its caller does: Ray would take a driver that it can restart for the first to
        kill when a node's memory runs out, whoever uses it up.
    avoided_node
        A node that it must not run on.

    Returns
    -------
    ActorHandle
        The driver.
    """
    versions = environment_versions()
    submission = pickle.dumps(Submission(job, settings, versions, detached))
    driver = (
        ray.remote(concurrency_groups=LISTENING_THREADS)(DriverActor)
        .options(
            name=driver_name(job.job_id),
            namespace=NAMESPACE,
            # Its share is in the core, which it reserves itself: so it says what that waits for.
            num_cpus=0,
            max_restarts=MOST_RESTARTS if detached else 0,
            max_task_retries=0,
            # Ray gives back what a detached actor reserved when it dies.
            lifetime="detached",
            label_selector={NODE_LABEL: f"!{avoided_node}"} if avoided_node else None,
        )
        .remote(first_progress(job), job.location.database, versions, submission)
    )
    if detached and not ray.util.client.ray.is_connected():
        wait_until_known(driver)
    return driver
