"""Feature engineering on multimodal Lance tables: Python functions as computed columns.

import geneva

@geneva.udf
def words(text: str) -> int:
return len(text.split())

table = geneva.connect("my-db").open_table("docs")
table.add_columns({"words": words})
table.backfill("words")
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from geneva._version import __version__

if TYPE_CHECKING:
    from geneva.checkup.doctor import doctor
    from geneva.db import Connection, connect
    from geneva.errors import (
        FatalWorkerCrashError,
        FatalWorkerError,
        FatalWorkerExitError,
        FatalWorkerHardwareError,
        FatalWorkerOOMError,
        FatalWorkerTransientError,
        SkipThresholdExceededError,
    )
    from geneva.job_future import JobFuture
    from geneva.jobs.result import BackfillJobResult, JobResult, UdfResult
    from geneva.runners.select import get_current_context
    from geneva.table import Table
    from geneva.transformer.decorator import udf
    from geneva.transformer.matchers import (
        Fail,
        Retry,
        Skip,
        fail_fast,
        retry_all,
        retry_transient,
        skip_on_error,
    )
    from geneva.transformer.multi_output import Columns
    from geneva.transformer.signature import UDFArgType
    from geneva.transformer.tenacity_config import (
        ErrorHandlingConfig,
        FaultIsolation,
        UDFRetryConfig,
    )
    from geneva.transformer.udf import UDF
    from geneva.transformer.unpacked import UnpackedUDF

version = __version__

# Loaded when they are first used: decorating functions needs no Lance, `geneva --help` no Arrow.
_LAZY = {
    "BackfillJobResult": "geneva.jobs.result",
    "Columns": "geneva.transformer.multi_output",
    "Connection": "geneva.db",
    "ErrorHandlingConfig": "geneva.transformer.tenacity_config",
    "Fail": "geneva.transformer.matchers",
    "FatalWorkerCrashError": "geneva.errors",
    "FatalWorkerError": "geneva.errors",
    "FatalWorkerExitError": "geneva.errors",
    "FatalWorkerHardwareError": "geneva.errors",
    "FatalWorkerOOMError": "geneva.errors",
    "FatalWorkerTransientError": "geneva.errors",
    "FaultIsolation": "geneva.transformer.tenacity_config",
    "JobFuture": "geneva.job_future",
    "JobResult": "geneva.jobs.result",
    "Retry": "geneva.transformer.matchers",
    "Skip": "geneva.transformer.matchers",
    "SkipThresholdExceededError": "geneva.errors",
    "Table": "geneva.table",
    "UDF": "geneva.transformer.udf",
    "UDFArgType": "geneva.transformer.signature",
    "UDFRetryConfig": "geneva.transformer.tenacity_config",
    "UdfResult": "geneva.jobs.result",
    "UnpackedUDF": "geneva.transformer.unpacked",
    "connect": "geneva.db",
    "doctor": "geneva.checkup.doctor",
    "fail_fast": "geneva.transformer.matchers",
    "get_current_context": "geneva.runners.select",
    "retry_all": "geneva.transformer.matchers",
    "retry_transient": "geneva.transformer.matchers",
    "skip_on_error": "geneva.transformer.matchers",
    "udf": "geneva.transformer.decorator",
}

__all__ = [
    "UDF",
    "BackfillJobResult",
    "Columns",
    "Connection",
    "ErrorHandlingConfig",
    "Fail",
    "FatalWorkerCrashError",
    "FatalWorkerError",
    "FatalWorkerExitError",
    "FatalWorkerHardwareError",
    "FatalWorkerOOMError",
    "FatalWorkerTransientError",
    "FaultIsolation",
    "JobFuture",
    "JobResult",
    "Retry",
    "Skip",
    "SkipThresholdExceededError",
    "Table",
    "UDFArgType",
    "UDFRetryConfig",
    "UdfResult",
    "UnpackedUDF",
    "__version__",
    "connect",
    "doctor",
    "fail_fast",
    "get_current_context",
    "retry_all",
    "retry_transient",
    "skip_on_error",
    "udf",
    "version",
]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'geneva' has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
