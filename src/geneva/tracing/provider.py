"""Who takes a job's spans: the program's own provider, or one that the OTEL_* variables ask for."""

from __future__ import annotations

import os
import sys
import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING

from geneva._version import __version__
from geneva.warned import warn_line

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from geneva.tracing.delivery import Delivery

_NAME = "geneva"
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_lock = threading.Lock()
_delivery: Delivery | None = None
_refused = False


def job_tracer() -> Tracer | None:
    """Return what makes the spans of a job that begins now; None if nobody wants any.

    A program may set its provider at any time, so each job looks anew.
    """
    if "opentelemetry.trace" in sys.modules:
        from opentelemetry.trace import ProxyTracerProvider, get_tracer_provider

        provider = get_tracer_provider()
        if not isinstance(provider, ProxyTracerProvider):
            return provider.get_tracer(_NAME, __version__)
    names = wanted_exporters()
    if not names or find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None:
        return None
    delivery = _delivery_to(names)
    return None if delivery is None else delivery.tracer(_NAME, __version__)


def flush_traces(timeout_s: float) -> None:
    """Deliver what this process has not delivered yet, waiting at most so long.

    Only what Geneva set up is flushed: the program looks after its own provider.
    """
    if _delivery is not None:
        _delivery.flush(timeout_s)


def hurry() -> None:
    """Wait for hardly anything when spans are flushed: somebody pressed Ctrl-C."""
    if _delivery is not None:
        _delivery.hurry()


def wanted_exporters() -> tuple[str, ...]:
    """Return the exporters that the environment asks for, by the names of their entry points.

    Examples
    --------
    >>> import os
    >>> wanted_exporters()
    ()
    >>> os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://collector:4318"
    >>> wanted_exporters()
    ('otlp_proto_http',)
    >>> os.environ["OTEL_SDK_DISABLED"] = "true"
    >>> wanted_exporters()
    ()
    >>> del os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"], os.environ["OTEL_SDK_DISABLED"]
    """
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return ()
    given = os.environ.get("OTEL_TRACES_EXPORTER", "")
    names = [name.strip() for name in given.split(",") if name.strip()]
    if not names and any(os.environ.get(name) for name in ENDPOINTS):
        names = ["otlp"]
    if "none" in names:
        return ()
    return tuple(_otlp() if name == "otlp" else name for name in names)


def _otlp() -> str:
    general = os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "")
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or general
    return "otlp_proto_grpc" if protocol == "grpc" else "otlp_proto_http"


def _delivery_to(names: tuple[str, ...]) -> Delivery | None:
    global _delivery, _refused
    with _lock:
        if _delivery is None and not _refused:
            from geneva.tracing.delivery import Delivery

            try:
                _delivery = Delivery(names)
            except Exception as error:  # noqa: BLE001 - code of others, and variables that it reads
                _refused = True
                warn_line(f"Jobs are not traced: {error}. See the OTEL_* variables.")
        return _delivery
