"""Settings, resolved once: environment variables over defaults.

Every setting is read from ``GENEVA_<NAME>``; ``GENEVA_CHECKPOINT_INTERVAL_S=30`` for example.
"""

from __future__ import annotations

from functools import lru_cache

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """All settings of this process.

    Examples
    --------
    >>> Settings().checkpoint_interval_s
    10.0
    """

    model_config = SettingsConfigDict(env_prefix="GENEVA_", extra="ignore", frozen=True)

    checkpoint_interval_s: float = Field(default=10.0, gt=0)
    """Seconds of compute that a worker puts at risk before it writes a part."""

    commit_max_retries: int = Field(default=12, ge=0)
    """How often a commit is rebuilt after a conflict before the job fails."""

    max_worker_losses: int = Field(default=3, ge=1)
    """How often workers may be lost on one task before the job fails."""

    worker_start_timeout_s: float = Field(default=120.0, gt=0)
    """Seconds a worker process may take until it is ready."""

    stop_grace_s: float = Field(default=5.0, gt=0)
    """Seconds that workers get to finish their current batch when a job stops early."""

    progress_interval_s: float = Field(default=5.0, gt=0)
    """Seconds between two progress lines when the output is not a terminal."""


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return the settings of this process; the environment is read at the first call."""
    return Settings()
