"""What every route answers when something goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from geneva import errors
from geneva.console.content import NoContentError, TooLargeError
from geneva.errors import GenevaError
from geneva.storage.dataset import in_words

_STATUS: dict[type[BaseException], int] = {
    errors.JobNotFoundError: 404,
    errors.TableNotFoundError: 404,
    errors.ColumnNotFoundError: 404,
    NoContentError: 404,
    errors.ImpossibleTransitionError: 409,
    TooLargeError: 413,
    errors.InvalidArgumentError: 422,
}


@dataclass(frozen=True, slots=True)
class ErrorSaid:
    """What went wrong.

    Attributes
    ----------
    kind : str
        Class of the error.
    message : str
        What happened, and what to do.
    """

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """The body of every answer that is not a success."""

    error: ErrorSaid


ERRORS: dict[int | str, dict[str, Any]] = {code: {"model": ErrorAnswer} for code in (404, 422, 500)}
"""How routes describe them."""


class SaysErrors(APIRoute):
    """A route whose errors are JSON, wherever it is mounted."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        handle = super().get_route_handler()

        async def said(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                return error_answer(422, "InvalidArgumentError", _invalid(error))
            except (GenevaError, OSError, ValueError, RuntimeError) as error:
                status = next((s for kind, s in _STATUS.items() if isinstance(error, kind)), 500)
                return error_answer(status, type(error).__name__, in_words(error))

        return said


def error_answer(status: int, kind: str, message: str) -> JSONResponse:
    """Return an error as an answer."""
    said = {"error": {"kind": kind, "message": message}}
    return JSONResponse(said, status, headers={"Cache-Control": "no-store"})


def _invalid(error: RequestValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}, found {str(one['input'])[:80]!r}"
        for one in error.errors()
    )
