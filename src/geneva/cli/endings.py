"""How a command ends: its exit code, and what it says of an error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

FAILED, INTERRUPTED = 1, 130


@contextmanager
def errors_said() -> Iterator[None]:
    """Say what goes wrong in a block in one line on stderr, and end with the code of that.

    A traceback helps whoever wrote the function that failed; the message has that one.
    """
    from geneva.errors import GenevaError

    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        raise  # Whoever read the output has seen enough.
    except (GenevaError, OSError) as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(FAILED) from None
