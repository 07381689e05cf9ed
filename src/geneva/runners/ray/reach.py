"""Whether a cluster can be reached, asked with a deadline: Ray itself waits for a minute."""

from __future__ import annotations

import socket
import time

import ray

from geneva.errors import ClusterUnreachableError

RAY_CLIENT = "ray://"

_PROBE_S = 2.0
_RETRY_S = 0.5
# A head with a standby is back before that. Ray ends processes that lost theirs for a minute.
_LOST_S = 18.0


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


def cluster_address() -> str | None:
    """Return where the head is; None if Ray does not say, as through its own client."""
    if ray.util.client.ray.is_connected():
        return None
    return str(ray.get_runtime_context().gcs_address)


class HeadWatch:
    """Notices that the head of the cluster is gone, however alive its other nodes seem."""

    def __init__(self) -> None:
        self.address = cluster_address()
        self._probed_s = self._answered_s = time.monotonic()

    def check(self, what: str) -> None:
        """Look after the head, every two seconds at most.

        Parameters
        ----------
        what
            What runs meanwhile.

        Raises
        ------
        ClusterUnreachableError
            It has not answered for some time.
        """
        now_s = time.monotonic()
        if self.address is None or now_s - self._probed_s < _PROBE_S:
            return
        self._probed_s = now_s
        if answers(self.address, _PROBE_S):
            self._answered_s = now_s
        elif now_s - self._answered_s > _LOST_S:
            raise ClusterUnreachableError(
                f"The head of the Ray cluster at {self.address} has not answered for "
                f"{now_s - self._answered_s:.0f} s, while {what} ran. What was computed is kept. "
                "Connect to a cluster that runs, and run the backfill again."
            )

    def wait(self, what: str) -> None:
        """Return when the head answers; asked anything else before, Ray waits for a minute.

        Raises
        ------
        ClusterUnreachableError
            As :meth:`check`.
        """
        while self.address is not None and not answers(self.address, _PROBE_S):
            self.check(what)
            time.sleep(_RETRY_S)

    @property
    def answering(self) -> bool:
        """Whether it answered when it was asked last."""
        return self.address is None or self._answered_s == self._probed_s
