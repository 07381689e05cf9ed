"""Structured logs: one JSON object per line, with the job that it is about."""

from __future__ import annotations

import contextlib
import contextvars
import json
import logging
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

from geneva.config import settings
from geneva.errors import JobCancelledError
from geneva.jobs.progress import Progress
from geneva.progress.line_timer import LineTimer

LOGGER = logging.getLogger("geneva")
# What follows in a block is about this job.
_about: contextvars.ContextVar[Mapping[str, str] | None] = contextvars.ContextVar(
    "geneva_job", default=None
)
# Threads that a job starts know no block: what they tell is about the one job that there is.
_running: list[Mapping[str, str]] = []
_JOB = ("job_id", "table", "column")
_NUMBERS = (
    "rows_done",
    "rows_total",
    "rows_failed",
    "fragments_done",
    "fragments_total",
    "workers",
    "rows_per_s",
    "elapsed_s",
)


class JsonFormatter(logging.Formatter):
    """Writes a record as one JSON object.

    It has ``time`` (UTC), ``level``, ``logger``, ``message``, ``job_id``, ``table`` and ``column``,
    which are null outside of jobs, and what was given as ``extra={"fields": {...}}``.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        time_ = datetime.fromtimestamp(record.created, timezone.utc)
        values: dict[str, Any] = {
            "time": time_.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **dict.fromkeys(_JOB),
            **_job_here(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            values["traceback"] = self.formatException(record.exc_info)
        return json.dumps(values, default=str, ensure_ascii=False)


class _Stderr(logging.Handler):
    """Writes to whatever stderr is now: bars replace it for a while."""

    def emit(self, record: logging.LogRecord) -> None:
        if sys.stderr is not None:
            # Closed or full, it must not make a job fail.
            with contextlib.suppress(OSError, ValueError):
                print(self.format(record), file=sys.stderr, flush=True)  # noqa: T201 - the log


class JsonLines:
    """A display that logs how far a job is, every few seconds and at its end.

    Parameters
    ----------
    interval_s
        Seconds between two lines.
    """

    def __init__(self, interval_s: float) -> None:
        self._timer = LineTimer(interval_s)

    def show(self, progress: Progress) -> None:
        """Log it if it is time for that."""
        text = self._timer.due(progress)
        if text is None:
            return
        numbers = {name: getattr(progress, name) for name in _NUMBERS}
        fields = {"event": "progress", "stage": progress.stage, **_of(progress), **numbers}
        LOGGER.info(text.removeprefix("geneva: "), extra={"fields": fields})

    def close(self) -> None:
        """Do nothing; every line is complete."""


def json_wanted() -> bool:
    """Say whether logs are to be JSON."""
    return settings().log == "json"


def set_up_log() -> None:
    """Let the logger ``geneva``, and warnings, write JSON to stderr, if that is wanted."""
    if not json_wanted() or any(isinstance(one, _Stderr) for one in LOGGER.handlers):
        return
    handler = _Stderr()
    handler.setFormatter(JsonFormatter())
    logging.captureWarnings(True)
    for logger in (LOGGER, logging.getLogger("py.warnings")):
        logger.addHandler(handler)
        logger.propagate = False
    if LOGGER.level == logging.NOTSET:
        LOGGER.setLevel(logging.INFO)


@contextlib.contextmanager
def job_logged(begin: Progress) -> Iterator[None]:
    """Log that a job begins and how it ends.

    Nothing is logged unless JSON is wanted: otherwise displays and errors tell the same.
    """
    if not json_wanted():
        yield
        return
    try:
        _tell(logging.INFO, "job_began", f"job {begin.job_id} began")
        yield
        _tell(logging.INFO, "job_done", f"job {begin.job_id} is done")
    except (KeyboardInterrupt, JobCancelledError) as error:
        _tell(logging.WARNING, "job_cancelled", f"job {begin.job_id} was stopped", error)
        raise
    except BaseException as error:
        _tell(logging.ERROR, "job_failed", f"job {begin.job_id} failed: {error}", error)
        raise


@contextlib.contextmanager
def job_named(begin: Progress) -> Iterator[None]:
    """Let all that is logged meanwhile name the job."""
    set_up_log()
    about = _of(begin)
    token = _about.set(about)
    _running.append(about)
    try:
        yield
    finally:
        _running.remove(about)
        _about.reset(token)


def _job_here() -> Mapping[str, str]:
    here = _about.get()
    if here is not None:
        return here
    return _running[0] if len({one["job_id"] for one in _running}) == 1 else {}


def _tell(level: int, event: str, text: str, error: BaseException | None = None) -> None:
    fields = {"event": event}
    if error is not None:
        fields["error"] = type(error).__name__
    failed = error if level >= logging.ERROR else None
    LOGGER.log(level, text, exc_info=failed, extra={"fields": fields})


def _of(progress: Progress) -> dict[str, str]:
    return {
        "job_id": progress.job_id,
        "table": progress.table_name,
        "column": progress.column_name,
    }
