"""The limits of one job: what it says itself before what this process is set to."""

from __future__ import annotations

from geneva.config import Settings
from geneva.jobs.limits import Limits
from geneva.jobs.spec import BackfillSpec
from geneva.pipeline.admission import Grant
from geneva.pipeline.driver import Runner


def job_limits(spec: BackfillSpec, settings: Settings, grant: Grant, runner: Runner) -> Limits:
    """Return what a job may take, lose and wait for.

    Parameters
    ----------
    spec
        What the job says.
    settings
        What holds where it says nothing.
    grant
        The workers and the memory that it was granted.
    runner
        Where it runs.
    """
    return Limits(
        max_workers=runner.max_workers,
        commit_granularity=spec.commit_granularity,
        max_worker_losses=settings.max_worker_losses,
        max_node_losses=settings.max_node_losses,
        stop_grace_s=settings.stop_grace_s,
        worker_start_timeout_s=settings.worker_start_timeout_s,
        stall_timeout_s=spec.stall_timeout_s or settings.stall_timeout_s,
        startup_s=runner.traits.startup_s,
        separate_writers=runner.traits.separate_writers,
        checkpoint_interval_s=spec.checkpoint_interval_s or settings.checkpoint_interval_s,
        setup_timeout_s=settings.setup_timeout_s,
        applier_bytes=grant.applier_bytes,
        memory_bytes=grant.memory_bytes,
        failure_rules=spec.failure_rules,
        max_fatal_rows=settings.max_fatal_rows,
        row_timeout_s=spec.row_timeout_s,
    )
