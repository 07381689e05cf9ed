"""A console that runs as its users start it, and requests to it."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

START_S = 60
STOP_S = 10


@dataclass
class Served:
    """A console: its address without a path, and the token in what it printed."""

    address: str
    process: subprocess.Popen
    token: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return urlsplit(self.address).netloc

    def ask(
        self, path: str, method: str = "GET", body: Any = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Ask as a program does; a header's name is written with underscores."""
        parts = urlsplit(self.address)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        payload = None if body is None else json.dumps(body)
        kind = {} if body is None else {"Content-Type": "application/json"}
        try:
            connection.request(method, path, payload, {**self.headers, **kind, **named})
            answer = connection.getresponse()
            read = answer.read()
        finally:
            connection.close()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, read

    def json(self, path: str, method: str = "GET", body: Any = None) -> Any:
        status, _, text = self.ask(path, method, body)
        assert status < 300, (status, text)
        return json.loads(text)


@contextlib.contextmanager
def served(uri: str, *options: str, env: dict[str, str] | None = None) -> Iterator[Served]:
    """Serve a database's console on a free port until the block ends."""
    command = [sys.executable, "-m", "geneva.cli.main", "console", uri, "--port", "0", *options]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
    )
    try:
        line = process.stdout.readline()
        found = re.search(r'(http://[^\s"]+?)/(?:\?token=([\w-]+))?["}]*$', line.strip())
        if found is None:
            process.kill()
            pytest_failed = process.communicate()[1]
            raise AssertionError(f"the console said {line!r}\n{pytest_failed}")
        token = found[2]
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        address = found[1].replace("0.0.0.0", "127.0.0.1")
        yield Served(address, process, token, headers)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=STOP_S)
    assert process.returncode == 0, said
    assert said == "", said


def until(holds: Callable[[], Any], within_s: float = 20) -> float:
    """Wait until something holds, and say how long that took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < within_s, "it did not come to hold in time"
        time.sleep(0.05)
    return time.monotonic() - began
