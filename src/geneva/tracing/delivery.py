"""Delivers spans in the background. What cannot be delivered never delays or fails a job."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Sequence
from importlib.metadata import entry_points
from urllib.parse import urlsplit

from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Tracer

from geneva._version import __version__
from geneva.tracing.provider import ENDPOINTS

_LOGGER = logging.getLogger("geneva")
_AT_EXIT_S = 1.0
_INTERRUPTED_S = 0.2


class Delivery:
    """A provider of Geneva's own, which the rest of the program does not see.

    Parameters
    ----------
    exporters
        Names of entry points of exporters.
    """

    def __init__(self, exporters: Sequence[str]) -> None:
        # A collector that does not answer may be waited for a minute by the SDK's own exit.
        self._provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        for name in exporters:
            self._provider.add_span_processor(BatchSpanProcessor(LateExporter(name)))
        self._interrupted = False
        # The exporters' own words end here, unless the program set logging up.
        logging.getLogger("opentelemetry").addHandler(logging.NullHandler())
        atexit.register(lambda: self.flush(_AT_EXIT_S))

    def tracer(self, name: str, version: str) -> Tracer:
        """Return what makes spans."""
        return self._provider.get_tracer(name, version)

    def hurry(self) -> None:
        """Wait for hardly anything from now on."""
        self._interrupted = True

    def flush(self, timeout_s: float) -> None:
        """Deliver what is left, waiting at most so long: flushing itself knows no bound."""
        flushing = threading.Thread(
            target=self._provider.force_flush, name="geneva-traces", daemon=True
        )
        flushing.start()
        flushing.join(min(timeout_s, _INTERRUPTED_S) if self._interrupted else timeout_s)


class LateExporter(SpanExporter):
    """Loads an exporter when there is something to deliver, in the thread that delivers.

    Parameters
    ----------
    name
        Its entry point.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._exporter: SpanExporter | None = None
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Deliver spans; that they cannot be delivered is said once, until they can again."""
        try:
            if self._exporter is None:
                self._exporter = _loaded(self._name)
            result = self._exporter.export(spans)
            why = f"{self._name} to {endpoint()} failed"
        except Exception as error:  # noqa: BLE001 - code of others; the job matters more
            result, why = SpanExportResult.FAILURE, f"{self._name}: {error}"
        failing = result is not SpanExportResult.SUCCESS
        if failing and not self._failing:
            text = "Traces cannot be delivered (%s). Jobs run nevertheless; see OTEL_* variables."
            fields = {"event": "traces_lost", "job_id": _job_of(spans)}
            _LOGGER.warning(text, why, extra={"fields": fields})
        self._failing = failing
        return result

    def shutdown(self) -> None:
        """Let go of the exporter."""
        if self._exporter is not None:
            self._exporter.shutdown()


def _loaded(name: str) -> SpanExporter:
    for found in entry_points(group="opentelemetry_traces_exporter", name=name):
        exporter: SpanExporter = found.load()()
        return exporter
    raise LookupError("no such exporter is installed")


def _resource() -> Resource:
    named = Resource.create({SERVICE_VERSION: __version__})
    said = "service.name" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    if said or os.environ.get("OTEL_SERVICE_NAME"):
        return named
    return named.merge(Resource({SERVICE_NAME: "geneva"}))


def endpoint() -> str:
    """Name the host and port that spans go to, without what may be secret of its address."""
    found = next((os.environ[name] for name in ENDPOINTS if os.environ.get(name)), "")
    return urlsplit(found).netloc.rpartition("@")[2] or "its endpoint"


def _job_of(spans: Sequence[ReadableSpan]) -> str | None:
    ids = ((span.attributes or {}).get("geneva.job.id") for span in spans)
    return next((str(one) for one in ids if one), None)
