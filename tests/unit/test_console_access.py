"""Who may ask the console for what."""

from __future__ import annotations

import pytest

from geneva.console.access import Access, Asked, Verdict, access_for
from geneva.errors import InvalidArgumentError

HERE = Access("127.0.0.1")
LAB = Access("0.0.0.0", "t" * 20)
LINK = {"mode": "navigate", "dest": "document"}


@pytest.mark.parametrize(
    ("asked", "verdict"),
    [
        (Asked("GET", "127.0.0.1:8400"), Verdict.ALLOWED),
        (Asked("GET", "[::1]:8400"), Verdict.ALLOWED),
        (Asked("POST", "localhost:8400"), Verdict.ALLOWED),
        (Asked("POST", "localhost:8400", "http://localhost:8400"), Verdict.ALLOWED),
        (Asked("POST", "localhost:8400", "http://localhost:8400", "same-origin"), Verdict.ALLOWED),
        (Asked("WEBSOCKET", "localhost:8400", "http://localhost:8400"), Verdict.ALLOWED),
        # A name that another site's owner lets stand for this machine.
        (Asked("GET", "evil.example:8400"), Verdict.OTHER_HOST),
        (Asked("GET", ""), Verdict.OTHER_HOST),
        (Asked("GET", "127.0.0.1.evil.example"), Verdict.OTHER_HOST),
        (Asked("GET", "[::1"), Verdict.OTHER_HOST),
        # Another site, also one on another port of this machine.
        (Asked("POST", "localhost:8400", "https://evil.example"), Verdict.OTHER_SITE),
        (Asked("POST", "localhost:8400", "http://localhost:9000"), Verdict.OTHER_SITE),
        (Asked("POST", "localhost:8400", "null"), Verdict.OTHER_SITE),
        (Asked("WEBSOCKET", "localhost:8400", "https://evil.example"), Verdict.OTHER_SITE),
        (Asked("GET", "localhost:8400", site="cross-site"), Verdict.OTHER_SITE),
        (Asked("GET", "localhost:8400", site="same-site"), Verdict.OTHER_SITE),
        (Asked("POST", "localhost:8400", site="cross-site", **LINK), Verdict.OTHER_SITE),
        # A link opens a page, and a frame does not.
        (Asked("GET", "localhost:8400", site="cross-site", **LINK), Verdict.ALLOWED),
        (
            Asked("GET", "localhost:8400", site="cross-site", mode="navigate", dest="iframe"),
            Verdict.OTHER_SITE,
        ),
    ],
)
def test_without_a_token_only_this_machine_and_its_pages_ask(asked, verdict):
    assert HERE.verdict(asked) is verdict


@pytest.mark.parametrize(
    ("asked", "verdict"),
    [
        (Asked("GET", "lab:8400"), Verdict.NO_TOKEN),
        (Asked("GET", "lab:8400", bearer="t" * 20), Verdict.ALLOWED),
        (Asked("GET", "lab:8400", cookie="t" * 20), Verdict.ALLOWED),
        (Asked("WEBSOCKET", "lab:8400", "http://lab:8400", cookie="t" * 20), Verdict.ALLOWED),
        (Asked("GET", "lab:8400", query="t" * 20), Verdict.ADMITTED),
        (Asked("POST", "lab:8400", query="t" * 20), Verdict.NO_TOKEN),
        (Asked("WEBSOCKET", "lab:8400", query="t" * 20), Verdict.NO_TOKEN),
        (Asked("GET", "lab:8400", bearer="t" * 19), Verdict.NO_TOKEN),
        (Asked("GET", "lab:8400", bearer=""), Verdict.NO_TOKEN),
        (Asked("GET", "lab:8400", bearer="\u00e9"), Verdict.NO_TOKEN),
        (Asked("GET", "127.0.0.1:8400"), Verdict.NO_TOKEN),
        # A cookie goes along with what other sites' pages send.
        (Asked("POST", "lab:8400", "http://evil.example", cookie="t" * 20), Verdict.OTHER_SITE),
    ],
)
def test_with_a_token_who_knows_it_asks_and_still_no_other_site(asked, verdict):
    assert LAB.verdict(asked) is verdict


def test_an_address_that_others_reach_has_a_token():
    assert access_for("127.0.0.1", None, "made") == HERE
    for host in ("0.0.0.0", "::", "lab.example"):
        assert access_for(host, None, "made") == Access(host, "made")
    assert access_for("127.0.0.1", "c" * 16, "made") == Access("127.0.0.1", "c" * 16)
    with pytest.raises(InvalidArgumentError, match="at least 16"):
        access_for("0.0.0.0", "short", "made")
