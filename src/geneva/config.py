"""Settings, resolved once: environment variables over defaults.

Every setting is read from ``GENEVA_<NAME>``; ``GENEVA_CHECKPOINT_INTERVAL_S=30`` for example.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import attrs
from attrs import converters, validators

from geneva.errors import InvalidArgumentError

PREFIX = "GENEVA_"
_LAST_PORT = 65_535


def _positive(default: float) -> float:
    return attrs.field(default=default, converter=float, validator=validators.gt(0))


def _at_least(least: int, default: int) -> int:
    return attrs.field(default=default, converter=int, validator=validators.ge(least))


def _truth(*, default: bool) -> bool:
    return attrs.field(default=default, converter=converters.to_bool)


@attrs.frozen(slots=False)
class Settings:
    """All settings of this process.

    Examples
    --------
    >>> Settings().checkpoint_interval_s
    10.0
    """

    checkpoint_interval_s: float = _positive(10.0)
    """Seconds of compute that a worker puts at risk before it writes a part."""

    checkpoint_uri: str | None = None
    """Folder or object-store URI below which parts are kept; None keeps them with their table."""

    commit_max_retries: int = _at_least(0, 12)
    """How often a commit is rebuilt after a conflict before the job fails."""

    max_worker_losses: int = _at_least(1, 3)
    """How often workers may crash, or run out of memory, on one task before the job fails."""

    max_fatal_rows: int = _at_least(0, 100)
    """How many rows that end whoever computes them a job skips, if its policy skips such rows."""

    max_node_losses: int = _at_least(1, 10)
    """How often workers may be lost with their node on one task before the job fails."""

    worker_start_timeout_s: float = _positive(120.0)
    """Seconds a worker process may take until it is ready."""

    reserve_timeout_s: float = _positive(600.0)
    """Seconds a job on a cluster waits, with no worker at all, for resources that others hold."""

    # Two underscores, as in programs that were written for Geneva.
    admission__check: bool = _truth(default=True)
    """Whether it is looked at, before a job begins, if what it asks for can ever fit."""

    admission__strict: bool = _truth(default=True)
    """Whether a job that can never fit is refused; otherwise there is a warning, and it waits."""

    admission__timeout: float = _positive(3.0)
    """Seconds that a new autoscaler gets to say whether it can add nodes."""

    stall_timeout_s: float = _positive(300.0)
    """Seconds that a job waits for storage, while no worker computes, before it fails."""

    setup_timeout_s: float = _positive(1800.0)
    """Seconds that imports and `setup()` may take, while no worker computes, before a job fails."""

    stop_grace_s: float = _positive(5.0)
    """Seconds that workers get to finish their current batch when a job stops early."""

    progress_interval_s: float = _positive(5.0)
    """Seconds between two progress lines when the output is not a terminal."""

    log: str = attrs.field(default="text", validator=validators.in_(("text", "json")))
    """"json" writes logs, and progress where the output is no terminal, as JSON lines."""

    metrics_port: int = attrs.field(
        default=0, converter=int, validator=[validators.ge(0), validators.le(_LAST_PORT)]
    )
    """Port on which metrics of this process' jobs are served for Prometheus; 0 serves none."""

    metrics_host: str | None = None
    """Address to listen on for that; None lets only programs of this machine read them."""

    udf_signing_key: str | None = attrs.field(default=None, repr=False)
    """Secret with which functions are signed when they are stored, and checked before they run."""

    def __getstate__(self) -> dict[str, object]:
        """Leave the secret out: what is pickled goes to other machines."""
        return {**self.__dict__, "udf_signing_key": None}


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings from environment variables.

    Raises
    ------
    InvalidArgumentError
        A variable has a value that cannot be used.

    Examples
    --------
    >>> read_settings({"GENEVA_STOP_GRACE_S": "2"}).stop_grace_s
    2.0
    """
    given: dict[str, Any] = {}
    for setting in attrs.fields(Settings):
        variable = PREFIX + setting.name.upper()
        if variable not in environment:
            continue
        value: dict[str, Any] = {setting.name: environment[variable].strip()}
        try:
            Settings(**value)
        except ValueError as error:
            raise InvalidArgumentError(
                f"{variable}={environment[variable]!r}: {error.args[0]}. "
                f"Its default is {setting.default}."
            ) from None
        given |= value
    return Settings(**given)


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Return the settings of this process; the environment is read at the first call."""
    return read_settings(os.environ)


def checkpoint_uri() -> str | None:
    """Return where parts are kept, if not with their table.

    Read whenever a table is opened, and by itself: all other settings may still be changed then.
    """
    return os.environ.get(f"{PREFIX}CHECKPOINT_URI") or None


def signing_key() -> str | None:
    """Return the secret that functions are signed with; None accepts functions that are not.

    Read whenever a function is stored or run, and by itself: it is kept nowhere.
    """
    return os.environ.get(f"{PREFIX}UDF_SIGNING_KEY") or None
