"""What a job's trace belongs to: the caller's span, as text that travels."""

from __future__ import annotations

import os
import sys

TraceContext = tuple[tuple[str, str], ...]
"""Headers of W3C Trace Context, by name."""

_HEADERS = ("traceparent", "tracestate")


def caller_context() -> TraceContext:
    """Return what a job that is made now belongs to: the span that is current, or ``TRACEPARENT``.

    A program that never imported OpenTelemetry has no span, and does not import it for this.

    Examples
    --------
    >>> import os
    >>> os.environ["TRACEPARENT"] = "00-" + "1" * 32 + "-" + "2" * 16 + "-01"
    >>> caller_context()
    (('traceparent', '00-11111111111111111111111111111111-2222222222222222-01'),)
    >>> del os.environ["TRACEPARENT"]
    >>> caller_context()
    ()
    """
    if "opentelemetry.trace" in sys.modules:
        from opentelemetry.trace import get_current_span
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        if get_current_span().get_span_context().is_valid:
            carrier: dict[str, str] = {}
            TraceContextTextMapPropagator().inject(carrier)
            return tuple(carrier.items())
    given = ((name, os.environ.get(name.upper())) for name in _HEADERS)
    return tuple((name, value) for name, value in given if value)
