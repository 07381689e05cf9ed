"""Which values a cluster's definition may hold."""

from __future__ import annotations

import math
import re

from geneva.errors import InvalidArgumentError

_NAME_LENGTH = 63
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_ADDRESS = re.compile(
    r"(ray://)?([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})"
)
_LAST_PORT = 65535
_ADDRESS_FORMS = "'host:port' or 'ray://host:port'"
# Ray raises when one of these comes with the address of a cluster that runs already. A local
# cluster is joined by its address too, once it was started.
_OF_A_NEW_CLUSTER = ("num_cpus", "num_gpus", "resources", "labels", "object_store_memory")


def is_name(name: object) -> bool:
    """Say whether a cluster may have this name: a label of RFC 1123.

    Examples
    --------
    >>> is_name("prod-2"), is_name("Prod"), is_name("-prod"), is_name("../prod")
    (True, False, False, False)
    """
    return isinstance(name, str) and len(name) <= _NAME_LENGTH and bool(_NAME.fullmatch(name))


def check_name(name: object) -> None:
    """Refuse a name that a cluster may not have."""
    if not is_name(name):
        raise InvalidArgumentError(
            f"name={name!r}; expected 1 to {_NAME_LENGTH} lower-case letters, digits and '-', with "
            "a letter or digit at both ends (RFC 1123)."
        )


def check_address(address: object) -> None:
    """Refuse what is not the address of exactly one cluster."""
    if address is None:
        raise InvalidArgumentError(
            f"ray_address is missing; expected {_ADDRESS_FORMS} of the running cluster."
        )
    if address == "auto":
        raise InvalidArgumentError(
            "ray_address='auto' may join any cluster that runs on the machine; expected "
            f"{_ADDRESS_FORMS} of the one that is meant."
        )
    match = _ADDRESS.fullmatch(address) if isinstance(address, str) else None
    if match is None or not 0 < int(match["port"]) <= _LAST_PORT:
        raise InvalidArgumentError(f"ray_address={address!r}; expected {_ADDRESS_FORMS}.")


def check_ray_init_kwargs(kwargs: object) -> None:
    """Refuse arguments of ``ray.init`` that cannot be stored, or that Ray itself would refuse.

    Messages never show a value: it may be a secret of the workers' environment.

    Examples
    --------
    >>> check_ray_init_kwargs({"runtime_env": {"pip": {"numpy"}}})
    Traceback (most recent call last):
    geneva.errors.InvalidArgumentError: ray_init_kwargs['runtime_env']['pip'] is a set; expected ...
    """
    if not isinstance(kwargs, dict):
        raise InvalidArgumentError(
            f"ray_init_kwargs is of type {type(kwargs).__name__}; expected a dict of arguments "
            "for ray.init."
        )
    if "address" in kwargs:
        raise InvalidArgumentError(
            "ray_init_kwargs holds 'address'; expected the address as ray_address of an external "
            "cluster. A local one has none."
        )
    refused = [name for name in _OF_A_NEW_CLUSTER if name in kwargs]
    if refused:
        raise InvalidArgumentError(
            f"ray_init_kwargs holds {', '.join(map(repr, refused))}; expected none of "
            f"{', '.join(_OF_A_NEW_CLUSTER)}: Ray refuses them when it connects to a cluster that "
            "runs already. Leave them out; what a function needs is said in @udf."
        )
    _check_json(kwargs, "ray_init_kwargs")


def _check_json(value: object, where: str) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise InvalidArgumentError(f"{where} has the key {key!r}; expected keys of text.")
            _check_json(inner, f"{where}[{key!r}]")
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            _check_json(inner, f"{where}[{position}]")
    elif isinstance(value, float) and not math.isfinite(value):
        raise InvalidArgumentError(f"{where} is {value}; expected a finite number.")
    elif value is not None and not isinstance(value, (str, int, float)):
        raise InvalidArgumentError(
            f"{where} is a {type(value).__name__}; expected a value that JSON can hold: text, "
            "number, bool, None, list or dict. Definitions are stored as JSON."
        )
