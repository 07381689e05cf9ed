"""Who may ask the console for what. Pure.

A page of any site can let a browser send requests to an address of this machine, with the cookies
of that address. What a browser says of where a request comes from decides then: it cannot be
changed by a page. Programs that are no browsers say nothing of it.
"""

from __future__ import annotations

import enum
import hmac
import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from geneva.errors import InvalidArgumentError

_SAFE_METHODS = ("GET", "HEAD")
_LOOPBACK_NAME = "localhost"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of a request before it is answered.

    Attributes
    ----------
    method : str
        Of HTTP; "WEBSOCKET" for one that opens a WebSocket.
    host : str
        The header Host.
    origin : str or None
        The header Origin: the site whose page sends it.
    site, mode, dest : str or None
        The headers Sec-Fetch-Site, -Mode and -Dest: how far that site is from this one, and what
        for.
    bearer, cookie, query : str or None
        The token, from each place where it may stand.
    """

    method: str
    host: str
    origin: str | None = None
    site: str | None = None
    mode: str | None = None
    dest: str | None = None
    bearer: str | None = None
    cookie: str | None = None
    query: str | None = None


class Verdict(enum.Enum):
    """What becomes of a request; the value is the status of the answer."""

    ALLOWED = 200
    ADMITTED = 303
    """The token was in the address: it becomes a cookie, and the address is asked without it."""
    NO_TOKEN = 401
    OTHER_SITE = 403
    OTHER_HOST = 421


@dataclass(frozen=True, slots=True)
class Access:
    """The rule of one console.

    Attributes
    ----------
    host : str
        The address that it listens on.
    token : str or None
        What everybody has to know; None where only this machine can ask.

    Examples
    --------
    >>> access = Access("127.0.0.1")
    >>> access.verdict(Asked("POST", "localhost:8800")).name
    'ALLOWED'
    >>> access.verdict(Asked("POST", "localhost:8800", origin="https://evil.example")).name
    'OTHER_SITE'
    >>> Access("0.0.0.0", "s3cret").verdict(Asked("GET", "lab:8800")).name
    'NO_TOKEN'
    """

    host: str
    token: str | None = None

    def verdict(self, asked: Asked) -> Verdict:
        """Say what becomes of a request."""
        if self.token is None and not is_loopback(_name_in(asked.host)):
            # Another site's name can be made to stand for an address of this machine.
            return Verdict.OTHER_HOST
        if _of_another_site(asked):
            return Verdict.OTHER_SITE
        if self.token is None:
            return Verdict.ALLOWED
        if self._knows(asked.bearer) or self._knows(asked.cookie):
            return Verdict.ALLOWED
        if self._knows(asked.query) and asked.method in _SAFE_METHODS:
            return Verdict.ADMITTED
        return Verdict.NO_TOKEN

    def _knows(self, said: str | None) -> bool:
        if said is None or self.token is None:
            return False
        return hmac.compare_digest(said.encode(), self.token.encode())


def access_for(host: str, token: str | None, made: str) -> Access:
    """Return the rule for an address: on one that others reach, a token is demanded.

    Parameters
    ----------
    host
        The address to listen on.
    token
        The token that was chosen.
    made
        One that nobody knows, for a console that needs one and has none.

    Raises
    ------
    InvalidArgumentError
        The token is too short to keep anybody out.

    Examples
    --------
    >>> access_for("127.0.0.1", None, "made").token, access_for("0.0.0.0", None, "made").token
    (None, 'made')
    """
    if token is not None and len(token) < _SHORTEST:
        raise InvalidArgumentError(
            f"--token has {len(token)} characters; expected at least {_SHORTEST}. Without --token "
            "one is made."
        )
    if token is None and not is_loopback(host):
        token = made
    return Access(host, token)


_SHORTEST = 16


def is_loopback(host: str) -> bool:
    """Say whether an address or a name is that of this machine for itself.

    Examples
    --------
    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "evil.example")]
    [True, True, True, False, False]
    """
    if host.lower() == _LOOPBACK_NAME:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _name_in(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _of_another_site(asked: Asked) -> bool:
    if asked.origin is not None and urlsplit(asked.origin).netloc != asked.host:
        return True
    if asked.site in (None, "same-origin", "none"):
        return False
    # A link from elsewhere may open a page; nothing else comes from there.
    opens = asked.method in _SAFE_METHODS and (asked.mode, asked.dest) == ("navigate", "document")
    return not opens
