"""Whether a function can be sent to workers, and whether there is room for one of them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from geneva.errors import InvalidArgumentError
from geneva.jobs.wording import size
from geneva.report import Check
from geneva.resources.admission import admit
from geneva.resources.footprint import Footprint
from geneva.resources.packing import described
from geneva.resources.request import Request
from geneva.resources.shape import ClusterShape
from geneva.transformer.udf import UDF

LOADING, PICKLING, REQUEST = "udf", "udf pickles", "udf resources"


def load_function(named: UDF | str) -> UDF:
    """Return a function, from where its name says it is.

    Parameters
    ----------
    named
        The function itself, or ``"module:name"``; the current directory is searched first.

    Raises
    ------
    InvalidArgumentError
        The name is not of that form, or what it names is not a UDF.
    """
    if isinstance(named, UDF):
        return named
    module, _, name = named.partition(":")
    if not module or not name:
        raise InvalidArgumentError(f"udf={named!r}; expected 'module:name'.")
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module)
    finally:
        sys.path.remove(here)
    for step in name.split("."):
        if not hasattr(found, step):
            raise InvalidArgumentError(f"module {module!r} has no {name!r}.")
        found = getattr(found, step)
    if not isinstance(found, UDF):
        hint = " Name an instance of the class." if hasattr(found, "__wrapped__") else ""
        raise InvalidArgumentError(
            f"{named!r} is of type {type(found).__name__}; expected a function decorated with "
            f"@geneva.udf.{hint}"
        )
    return found


def check_loading(function: UDF) -> Sequence[Check]:
    """Say what a function takes, gives and needs.

    Examples
    --------
    >>> import geneva
    >>> @geneva.udf(num_cpus=2)
    ... def words(text: str) -> int:
    ...     return len(text.split())
    >>> check_loading(words)[0].found
    'words(text) -> int64'
    """
    inputs = ", ".join(function.input_columns or ["all columns"])
    return [Check(LOADING, "ok", f"{function.name}({inputs}) -> {function.data_type}")]


def check_pickling(function: UDF) -> Sequence[Check]:
    """Pickle a function as :meth:`Table.add_columns` does."""
    from geneva.storage.packed_functions import pack_function

    payload = pack_function(function).payload
    large = len(payload) >= 1 << 20
    return [Check(PICKLING, "ok", size(len(payload)) if large else f"{len(payload):,} bytes")]


def check_request(function: UDF, shape: ClusterShape) -> Sequence[Check]:
    """Ask for one applier where a backfill would run now.

    Examples
    --------
    >>> import geneva
    >>> from geneva.resources.request import Machine
    >>> from geneva.resources.shape import shape_of_machine
    >>> @geneva.udf(num_gpus=1)
    ... def embedded(text: str) -> float:
    ...     return 1.0
    >>> machine = shape_of_machine(Machine(num_cpus=2, num_gpus=0, memory_bytes=8 << 30))
    >>> check_request(embedded, machine)[0].found
    'an applier needs 1 GPU; this machine has 0 GPU'
    """
    applier = Request(
        num_cpus=function.num_cpus,
        num_gpus=function.num_gpus,
        memory_bytes=function.memory or 0,
        resources=tuple(sorted(function.resources.items())),
        labels=tuple(sorted(function.label_selector.items())),
        accelerator_type=function.accelerator_type,
    )
    footprint = Footprint(applier, 1, shape.components)
    admission = admit(footprint, shape)
    if not admission.possible:
        return [Check(REQUEST, "failed", admission.reason, admission.fix)]
    text = f"{described(footprint.applier_bundle())}: {admission.verdict.value}"
    return [Check(REQUEST, "ok", text)]
