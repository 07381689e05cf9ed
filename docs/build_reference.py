"""Write docs/reference.md from the docstrings of the public names. Run by ``make docs``."""

from __future__ import annotations

import enum
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import geneva
from geneva import errors
from geneva.jobs.cleanup import Cleanup
from geneva.jobs.column_status import ColumnStatus, ComputedBy, FragmentStatus
from geneva.jobs.estimate import Estimate
from geneva.jobs.history import JobHistory, Sample, TaskSpan, WorkerSpan
from geneva.jobs.intervals import Interval
from geneva.jobs.job_status import JobStatus
from geneva.jobs.metrics import JobMetric
from geneva.jobs.planner import Plan
from geneva.jobs.plans import Plans
from geneva.jobs.preview import Call, Preview, PreviewRow, RowFailure
from geneva.jobs.progress import Progress
from geneva.jobs.record import JobRecord
from geneva.pipeline.diff import FunctionDiff
from geneva.recorded_job import RecordedJob
from geneva.report import Check, Report
from geneva.transformer.changes import Change, Changes
from geneva.verification.report import Finding, VerificationReport, VerifiedColumn

TARGET = Path(__file__).with_name("reference.md")

_HEAD = """\
# API reference

Written by `make docs` from the docstrings. Change those, not this page.

`Plan`, `Plans`, `Estimate`, `Interval`, `Preview`, `PreviewRow`, `RowFailure`, `Call`,
`ColumnStatus`, `FragmentStatus`, `ComputedBy`, `Cleanup`, `Progress`, `RecordedJob`,
`JobRecord`, `JobHistory`, `Sample`, `WorkerSpan`, `TaskSpan`, `Report`, `JobStatus`, `JobMetric`,
`Check`, `VerificationReport`,
`VerifiedColumn`, `Finding`, `Changes`, `Change` and `FunctionDiff` are returned; they are not
imported from `geneva`. The errors stand in `geneva.errors`.
"""
_WIDE = 96
_LISTS = ("Parameters", "Attributes", "Returns", "Yields", "Raises")
_NAMES_FIRST = ("Parameters", "Attributes")


def reference() -> str:
    """Return the text of the page."""
    public = {name: getattr(geneva, name) for name in geneva.__all__}
    for name in ("version", "__version__"):
        public.pop(name)
    first = ["connect", "Connection", "Table", "udf", "UDF", "UDFArgType", "JobFuture"]
    others = [name for name in public if name not in first]
    pieces = [_HEAD]
    pieces += [_described(f"geneva.{name}", public[name]) for name in [*first, *sorted(others)]]
    status = (ColumnStatus, FragmentStatus, ComputedBy, Cleanup)
    verified = (VerificationReport, VerifiedColumn, Finding)
    before = (Plan, Plans, Estimate, Interval, Preview, PreviewRow, RowFailure, Call)
    jobs = (Progress, RecordedJob, JobRecord, JobStatus, JobMetric)
    jobs += (JobHistory, Sample, WorkerSpan, TaskSpan)
    returned = (*before, *status, *jobs, Report, Check, *verified)
    returned += (Changes, Change, FunctionDiff)
    pieces += [*(_described(kind.__name__, kind) for kind in returned), _errors()]
    return "\n".join(pieces).rstrip() + "\n"


def _described(name: str, thing: Any) -> str:
    if not inspect.isclass(thing):
        return f"## {name}\n\n{_callable(name, thing)}"
    pieces = [f"## {name}\n\n{_markdown(thing)}"]
    if issubclass(thing, enum.Enum):
        pieces.append("Members: " + ", ".join(f"`{member.name}`" for member in thing) + ".\n")
    short = name.rpartition(".")[2]
    for attribute, value in _members(thing):
        heading = f"### {short}.{attribute}\n\n"
        if isinstance(value, property):
            pieces.append(f"{heading}Property. {_markdown(value)}")
        else:
            pieces.append(heading + _callable(f"{short}.{attribute}", value))
    return "\n".join(pieces)


def _members(kind: type) -> Iterator[tuple[str, Any]]:
    """Yield public methods and properties in the order of the source."""
    # A long class is made of bases in modules named after its own. What all begin with comes first.
    own = f"{kind.__module__}_"
    *parts, first = (b for b in kind.__mro__ if b is kind or b.__module__.startswith(own))
    for name, value in (member for part in (first, *parts) for member in vars(part).items()):
        wanted = not name.startswith("_") or name == "__call__"
        if wanted and isinstance(value, (FunctionType, property)) and value.__doc__:
            yield name, value


def _callable(name: str, function: Callable[..., Any]) -> str:
    return f"```py\n{_signature(name, function)}\n```\n\n{_markdown(function)}"


def _signature(name: str, function: Callable[..., Any]) -> str:
    signature = inspect.signature(function)
    pieces: list[str] = []
    seen: set[Any] = set()
    for parameter in signature.parameters.values():
        if parameter.name == "self":
            continue
        kind = parameter.kind
        if kind is parameter.POSITIONAL_ONLY:
            seen.add(kind)
        elif parameter.POSITIONAL_ONLY in seen and "/" not in pieces:
            pieces.append("/")
        if kind is parameter.KEYWORD_ONLY and not seen & {kind, parameter.VAR_POSITIONAL}:
            pieces.append("*")
        seen.add(kind)
        pieces.append(_parameter(parameter))
    if seen == {inspect.Parameter.POSITIONAL_ONLY}:
        pieces.append("/")
    returned = _annotation(signature.return_annotation)
    arrow = f" -> {returned}" if returned else ""
    line = f"{name}({', '.join(pieces)}){arrow}"
    if len(line) <= _WIDE:
        return line
    return f"{name}(\n" + "".join(f"    {piece},\n" for piece in pieces) + f"){arrow}"


def _parameter(parameter: inspect.Parameter) -> str:
    stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else ""
    stars = "**" if parameter.kind is parameter.VAR_KEYWORD else stars
    annotation = _annotation(parameter.annotation)
    text = f"{stars}{parameter.name}" + (f": {annotation}" if annotation else "")
    if parameter.default is parameter.empty:
        return text
    return f"{text} = {parameter.default!r}" if annotation else f"{text}={parameter.default!r}"


def _annotation(annotation: Any) -> str:
    # Modules postpone their annotations, so these are texts as they stand in the source.
    return "" if annotation is inspect.Signature.empty else str(annotation)


# -- from NumPy-style docstrings to Markdown -----------------------------------------------------


def _markdown(thing: Any) -> str:
    text = inspect.cleandoc(thing.__doc__ or "")
    pieces = []
    for title, lines in _sections(text.splitlines()):
        if title in _LISTS:
            pieces.append(f"**{title}**\n\n" + "\n".join(_entries(lines, title)))
        elif title == "Examples":
            pieces.append("**Examples**\n\n```pycon\n" + "\n".join(lines).strip() + "\n```")
        else:
            body = _inline("\n".join(lines).strip())
            pieces.append(f"**{title}**\n\n{body}" if title else body)
    return "\n\n".join(pieces) + "\n"


def _sections(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    title = ""
    body: list[str] = []
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        if following and set(following) == {"-"} and len(following) == len(line):
            yield title, body
            title, body = line, []
        elif not (title and not body and line and set(line) == {"-"}):
            body.append(line)
    yield title, body


def _entries(lines: list[str], title: str) -> Iterator[str]:
    """Turn ``name : type`` and the indented text below it into items of a list."""
    items: list[tuple[str, list[str]]] = []
    for line in lines:
        if line and not line.startswith(" "):
            items.append((line, []))
        elif line and items:
            items[-1][1].append(line.strip())
    for head, body in items:
        text = _inline(" ".join(body))
        names, _, kind = head.partition(" : ") if title in _NAMES_FIRST else (head, "", "")
        shown = ", ".join(f"`{name.strip()}`" for name in _names(names))
        kind = f" ({_inline(kind)})" if kind else ""
        if title in _NAMES_FIRST or re.fullmatch(r"[\w., \[\]()]+", head):
            yield f"- {shown}{kind}: {text}" if text else f"- {shown}{kind}"
        else:  # A sentence that says what is returned.
            yield f"- {_inline(' '.join([head, *body]))}"


def _names(head: str) -> list[str]:
    return [head] if "(" in head or "[" in head else head.split(",")


def _inline(text: str) -> str:
    text = re.sub(r":\w+:`([^`]+)`", r"`\1`", text)
    return re.sub(r"``(.+?)``", r"`\1`", text, flags=re.DOTALL)


# -- errors --------------------------------------------------------------------------------------


def _errors() -> str:
    kinds = [
        kind
        for kind in vars(errors).values()
        if inspect.isclass(kind) and issubclass(kind, errors.GenevaError)
    ]
    lines = ["## geneva.errors", "", "| Error | Is also | Meaning |", "| --- | --- | --- |"]
    for kind in kinds:
        bases = ", ".join(f"`{base.__name__}`" for base in kind.__bases__)
        summary = _inline(inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0].replace("\n", " "))
        lines.append(f"| `{kind.__name__}` | {bases} | {summary} |")
    detailed = [kind for kind in kinds if "\n\n" in inspect.cleandoc(kind.__doc__ or "")]
    for kind in detailed:
        lines += ["", f"### {kind.__name__}", "", _markdown(kind).rstrip()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    TARGET.write_text(reference())
