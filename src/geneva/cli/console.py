"""`geneva console`: a database in a browser."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Annotated

import typer

from geneva.cli.arguments import Uri
from geneva.cli.endings import errors_said

PORT = 8400


def console(
    uri: Uri,
    host: Annotated[
        str,
        typer.Option(
            help="The address to listen on. On one that others reach, a token is demanded."
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The port; 0 for any that is free.")
    ] = PORT,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="GENEVA_CONSOLE_TOKEN",
            help="What everybody has to know. Default: none on this machine, else a new one.",
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print where it is as a line of JSON.")
    ] = False,
) -> None:
    """Serve a page of the database's jobs, tables and clusters, and the same as JSON.

    It runs until Ctrl-C. Jobs do not depend on it.
    """
    with errors_said():
        from geneva.cli.database import database_at
        from geneva.errors import InvalidArgumentError, MissingExtraError

        database = database_at(uri)
        if database.is_local and not Path(database.uri).is_dir():
            raise InvalidArgumentError(
                f"There is no folder {database.uri}; expected a database that is there already, or "
                "the URI of one in a store."
            )
        try:
            import nicegui  # noqa: F401 - whether it is there
        except ModuleNotFoundError:
            raise MissingExtraError(
                "The console needs NiceGUI. Install it with: pip install 'opengeneva[console]'"
            ) from None
        from geneva.console.access import access_for
        from geneva.console.server import serve

        access = access_for(host, token, secrets.token_urlsafe(24))
        serve(database, access, port, _told_as_json if as_json else _told)


def _told(address: str) -> None:
    typer.echo(f"The console is at {address}\nCtrl-C ends it; jobs go on.")


def _told_as_json(address: str) -> None:
    typer.echo(json.dumps({"address": address}))
