"""The console's server: pages, JSON API and metrics, on one address."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from functools import partial

import uvicorn
from fastapi import FastAPI
from nicegui import ui

from geneva._version import __version__
from geneva.console.access import Access
from geneva.console.clusters import clusters_of
from geneva.console.failed_rows import failed_rows_of
from geneva.console.guard import Guard
from geneva.console.job_api import jobs_router, metrics_router
from geneva.console.live import LiveJobs
from geneva.console.pages.routes import add_pages
from geneva.console.shown import Console
from geneva.console.steering import Steering
from geneva.console.table_api import tables_router
from geneva.errors import InvalidArgumentError
from geneva.storage.model import TableLocation

_WAITING = 128
_CLOSES_S = 1
# A page that was away for that long is loaded anew.
_RECONNECT_S = 30.0
# What a page has missed meanwhile is kept; each message can be a whole list.
_MESSAGES = 50
_FAVICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" '
    'rx="7" fill="#0f766e"/><path d="M8 22h4V12H8zm6 0h4V7h-4zm6 0h4v-6h-4z" fill="#fff"/></svg>'
)


def make_app(database: TableLocation) -> FastAPI:
    """Return the console of a database as an application, without a guard.

    NiceGUI's pages are of the process: it can have one console.
    """
    app = FastAPI(
        title="Geneva console",
        version=__version__,
        openapi_url="/api/openapi.json",
        # Their pages load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    live, steering = LiveJobs(database), Steering(database)
    jobs = jobs_router(
        live,
        steering,
        clusters=partial(clusters_of, database),
        failed_rows=partial(failed_rows_of, database),
    )
    app.include_router(jobs, prefix="/api")
    app.include_router(tables_router(database.uri), prefix="/api")
    app.include_router(metrics_router(live))
    add_pages(Console(database, live, steering))
    ui.run_with(
        app,
        title="Geneva",
        favicon=_FAVICON,
        dark=None,
        language="en-US",
        # Its script makes style sheets in the browser, which takes longer than all of ours.
        tailwind=False,
        reconnect_timeout=_RECONNECT_S,
        message_history_length=_MESSAGES,
        show_welcome_message=False,
    )
    return app


def serve(database: TableLocation, access: Access, port: int, ready: Callable[[str], None]) -> None:
    """Serve the console until it is interrupted.

    Parameters
    ----------
    database
        The database's folder or prefix.
    access
        Who may ask, and the address to listen on.
    port
        The port; 0 for any that is free.
    ready
        Is told where the console is once it listens.

    Raises
    ------
    InvalidArgumentError
        The address cannot be listened on.
    """
    with _listening(access.host, port) as listening:
        port = listening.getsockname()[1]
        guarded = Guard(make_app(database), access, port)
        config = uvicorn.Config(
            guarded,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=_CLOSES_S,
        )
        token = f"?token={access.token}" if access.token else ""
        host = f"[{access.host}]" if ":" in access.host else access.host
        ready(f"http://{host}:{port}/{token}")
        # How it usually ends.
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])


def _listening(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.socket(family)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(_WAITING)
    except (OSError, OverflowError) as error:
        raise InvalidArgumentError(
            f"The console cannot listen on {host}:{port}: "
            f"{getattr(error, 'strerror', None) or error}. Choose another --port or --host."
        ) from None
    return listening
