"""Lets only those requests through that may come, and says to browsers what pages may load."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from geneva.console.access import Access, Asked, Verdict

_WORDS = {
    Verdict.NO_TOKEN: "This console asks for its token: open the address that it printed when it "
    "was started, or send the header Authorization: Bearer TOKEN.",
    Verdict.OTHER_SITE: "This request comes from a page of another site; the console answers only "
    "its own pages, and programs.",
    Verdict.OTHER_HOST: "This console answers only to the names of the machine for itself. Start "
    "it with --host to reach it from elsewhere.",
}
# Pages load nothing from elsewhere, and no other site frames them. NiceGUI's pages hold scripts and
# templates that are made to code in the browser.
_HEADERS = {
    "Content-Security-Policy": "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """Stands before an application.

    Parameters
    ----------
    app
        What answers.
    access
        Who may ask.
    port
        The port that the console listens on: cookies are of a host, whatever the port.
    """

    def __init__(self, app: ASGIApp, access: Access, port: int) -> None:
        self._app = app
        self._access = access
        self._cookie = f"geneva_console_{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the application do so."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        verdict = self._access.verdict(self._asked(HTTPConnection(scope)))
        if scope["type"] == "websocket":
            if verdict is Verdict.ALLOWED:
                await self._app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008, "reason": verdict.name})
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        answer = None if verdict is Verdict.ALLOWED else self._answer(verdict, scope)
        await (answer or self._app)(scope, receive, send_guarded)

    def _answer(self, verdict: Verdict, scope: Scope) -> Response:
        if verdict is not Verdict.ADMITTED:
            return PlainTextResponse(f"{_WORDS[verdict]}\n", verdict.value)
        query = parse_qsl(scope["query_string"].decode("latin-1"))
        rest = urlencode([(name, value) for name, value in query if name != "token"])
        # A path that begins with two slashes would be another host.
        path = "/" + scope["path"].lstrip("/\\")
        response = RedirectResponse(f"{path}?{rest}" if rest else path, verdict.value)
        # It is not secure: the console speaks plain HTTP.
        response.set_cookie(
            self._cookie, self._access.token or "", httponly=True, samesite="lax", path="/"
        )
        return response

    def _asked(self, connection: HTTPConnection) -> Asked:
        headers = connection.headers
        kind, _, token = headers.get("authorization", "").partition(" ")
        return Asked(
            method=connection.scope.get("method", "WEBSOCKET"),
            host=headers.get("host", ""),
            origin=headers.get("origin"),
            site=headers.get("sec-fetch-site"),
            mode=headers.get("sec-fetch-mode"),
            dest=headers.get("sec-fetch-dest"),
            bearer=token.strip() if kind.lower() == "bearer" else None,
            cookie=_cookie(headers.get("cookie", ""), self._cookie),
            query=connection.query_params.get("token"),
        )


def _cookie(header: str, name: str) -> str | None:
    try:
        found = SimpleCookie(header).get(name)
    except CookieError:
        return None
    return None if found is None else found.value
