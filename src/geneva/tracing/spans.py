"""Makes the spans of a job: few of them, whatever the job's size."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from opentelemetry.trace import (
    INVALID_SPAN,
    Span,
    Status,
    StatusCode,
    Tracer,
    set_span_in_context,
)
from opentelemetry.util.types import AttributeValue

Attributes = Mapping[str, AttributeValue]

# Together fewer than what the SDK holds for delivery: 2,048.
MOST_SPANS = {"task": 1000, "write": 400, "commit": 200, "failed": 100}
_MOST_OTHERS = 50


class SpanMaker:
    """Adds spans to a job's trace when what they stand for has ended.

    Parameters
    ----------
    tracer
        Makes spans.
    root
        The job's own.
    common
        Attributes of all.

    Attributes
    ----------
    parent : Span
        What spans are added below of.
    seen, kept : dict of str to int
        How many of a kind there were, and how many of these are spans.
    """

    def __init__(self, tracer: Tracer, root: Span, common: Attributes) -> None:
        self.root = self.parent = root
        self._tracer = tracer
        self._common = dict(common)
        self.seen: dict[str, int] = {}
        self.kept: dict[str, int] = {}
        self.rows = self.rows_failed = 0

    def begin(self, name: str, attributes: Attributes) -> Span:
        """Begin a span that others will be added below of."""
        context = set_span_in_context(self.root)
        given = {**self._common, **attributes}
        try:
            return self._tracer.start_span(name, context, attributes=given)
        except Exception:  # noqa: BLE001 - code of others takes spans
            return INVALID_SPAN

    def add(
        self,
        kind: str,
        began_ns: int,
        attributes: Attributes,
        *,
        every: int = 1,
        error: str = "",
    ) -> None:
        """Add a span that ends now, if there are not too many.

        Parameters
        ----------
        kind
            Its name.
        began_ns
            When it began, on ``time.time_ns``.
        attributes
            What is known of it.
        every
            One of so many is kept. What failed is kept anyway.
        error
            How it failed.
        """
        number = self.seen[kind] = self.seen.get(kind, 0) + 1
        room = "failed" if error else kind
        most = MOST_SPANS.get(room, _MOST_OTHERS)
        if self.kept.get(room, 0) >= most or (not error and (number - 1) % every):
            return
        self.kept[room] = self.kept.get(room, 0) + 1
        # What takes spans is code of others: the job matters more.
        with suppress(Exception):
            span = self._tracer.start_span(
                kind,
                set_span_in_context(self.parent),
                attributes={**self._common, **attributes},
                start_time=began_ns,
            )
            if error:
                span.set_status(Status(StatusCode.ERROR, error))
            span.end()

    def around(
        self,
        kind: str,
        attributes: Attributes,
        work: Callable[[], tuple[object, Attributes]],
    ) -> object:
        """Do something, and add a span of it that says what came out."""
        began_ns = time.time_ns()
        try:
            result, found = work()
        except BaseException as error:
            self.add(kind, began_ns, attributes, error=described(error))
            raise
        self.add(kind, began_ns, {**attributes, **found})
        return result

    def counts(self) -> dict[str, AttributeValue]:
        """Return what there was of the job, and how much of it is spans."""
        found: dict[str, AttributeValue] = {
            "geneva.rows": self.rows,
            "geneva.rows.failed": self.rows_failed,
        }
        for kind in ("task", "write", "commit"):
            found[f"geneva.{kind}s"] = self.seen.get(kind, 0)
            found[f"geneva.{kind}s.traced"] = self.kept.get(kind, 0)
        found["geneva.spans.failed"] = self.kept.get("failed", 0)
        return found


def described(error: BaseException) -> str:
    """Return an error in one line."""
    first = (str(error).splitlines() or [""])[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
