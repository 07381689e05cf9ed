"""What a cluster offers and what is asked of one of its nodes, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CPU, GPU, MEMORY = "CPU", "GPU", "memory"
ACCELERATOR_LABEL = "ray.io/accelerator-type"


@dataclass(frozen=True, slots=True)
class Bundle:
    """Resources that are taken on one node together.

    Attributes
    ----------
    resources : mapping of str to float
        Amount by name: ``CPU``, ``GPU``, ``memory`` (bytes), custom ones.
    labels : mapping of str to str
        Labels that the node must have, see :class:`~geneva.resources.request.Request`.
    """

    resources: Mapping[str, float]
    labels: Mapping[str, str] = field(default_factory=dict)


Gang = tuple[Bundle, ...]
"""Bundles that are reserved all at once or not at all, on one node or on several."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a cluster.

    Attributes
    ----------
    node_id, name : str
        Its id, and what the user knows it by: its address.
    total, free : mapping of str to float
        All its resources, and those that nobody holds.
    labels : mapping of str to str
        Its labels.
    """

    node_id: str
    name: str
    total: Mapping[str, float]
    free: Mapping[str, float]
    labels: Mapping[str, str] = field(default_factory=dict)


def labels_match(wanted: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Say whether a node's labels satisfy a selector.

    Examples
    --------
    >>> node = {"pool": "spot", "zone": "b"}
    >>> labels_match({"pool": "in(spot, cheap)", "zone": "!a"}, node)
    True
    >>> labels_match({"pool": "!in(spot,cheap)"}, node), labels_match({"disk": "ssd"}, node)
    (False, False)
    """
    return all(_value_matches(rule, labels.get(name)) for name, rule in wanted.items())


def _value_matches(rule: str, value: str | None) -> bool:
    wanted = not rule.startswith("!")
    rule = rule.removeprefix("!")
    if rule.startswith("in(") and rule.endswith(")"):
        found = value in [choice.strip() for choice in rule[3:-1].split(",")]
    else:
        found = value == rule
    return found is wanted
