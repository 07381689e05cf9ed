"""How a command ends: its exit code, and what it says of an error."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import typer

FAILED, INTERRUPTED = 1, 130
# Lance tells of each try, and where in its source.
_MOST_CHARS = 500


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
    except (BrokenPipeError, typer.Exit):
        raise  # Whoever read the output has seen enough; or all is said.
    except GenevaError as error:
        said = str(error)
    # That is how Lance and LanceDB say what a store refuses.
    except (OSError, ValueError, RuntimeError) as error:
        logging.getLogger("geneva").debug("where it was raised", exc_info=True)
        said = _shortened(error)
    else:
        return
    typer.echo(f"Error: {said}", err=True)
    raise typer.Exit(FAILED)


def _shortened(error: Exception) -> str:
    from geneva.cli.grid import one_line
    from geneva.storage.dataset import in_words

    return one_line(f"{type(error).__name__}: {in_words(error)}", _MOST_CHARS)
