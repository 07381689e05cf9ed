"""Whether a cluster can be reached, asked with a deadline: Ray itself waits for a minute."""

from __future__ import annotations

import socket

RAY_CLIENT = "ray://"


def answers(address: str, timeout_s: float) -> bool:
    """Say whether somebody listens at ``host:port``, or ``ray://host:port``.

    Examples
    --------
    >>> answers("127.0.0.1:1", timeout_s=1)
    False
    """
    host, _, port = address.removeprefix(RAY_CLIENT).rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=timeout_s):
            return True
    except OSError:
        return False
