"""The pages of tables, as NiceGUI makes them for a visitor."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from nicegui import ElementFilter, ui
from nicegui.testing import User, user_simulation

import geneva
from geneva.console.pages import waiting
from geneva.console.pages.table import table_content
from geneva.console.pages.tables import tables_content

pytestmark = pytest.mark.local_files
WITHIN_S = 20.0


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch) -> None:
    monkeypatch.setattr(waiting, "EVERY_S", 0.1)


@geneva.udf(on_error=geneva.skip_on_error())
def picky(id: int) -> int:
    if id == 3:
        raise LookupError("no <three>")
    return 2 * id


def fill(table, **options) -> None:
    table.backfill("out", runner="inline", progress=False, **options)


class Visitor:
    """Someone who looks at a page."""

    def __init__(self, user: User, uri: str) -> None:
        self._user = user
        # No browser says whether somebody is at something in the grid.
        user.javascript_rules[re.compile(r"(?s).*querySelector.*")] = lambda _: False

        @ui.page("/tables")
        def tables() -> None:
            tables_content(uri)

        @ui.page("/tables/{table}")
        def table(table: str) -> None:
            table_content(uri, table)

    async def open(self, path: str) -> None:
        await self._user.open(path)

    def seen(self) -> str:
        with self._user.client:
            shown = [one.content for one in ElementFilter(kind=ui.html)]
            shown += [one.text for one in ElementFilter(kind=ui.label)]
        return "\n".join(shown)

    async def sees(self, *texts: str, gone: str | None = None) -> str:
        """Wait until all of these are seen, and the other one is not."""
        stop = asyncio.get_running_loop().time() + WITHIN_S
        while asyncio.get_running_loop().time() < stop:
            seen = self.seen()
            if all(text in seen for text in texts) and (gone is None or gone not in seen):
                return seen
            await asyncio.sleep(0.02)
        raise AssertionError(f"expected {texts} without {gone!r}, saw {self.seen()}")

    def button(self, icon: str) -> ui.button:
        with self._user.client:
            (found,) = (
                one for one in ElementFilter(kind=ui.button) if one.props.get("icon") == icon
            )
        return found

    def press(self, icon: str) -> None:
        assert self.button(icon).enabled
        self._send(self.button(icon), "click", {})

    def type(self, key: str, **held: bool) -> None:
        with self._user.client:
            (keyboard,) = ElementFilter(kind=ui.keyboard)
        keys = {"altKey": False, "ctrlKey": False, "shiftKey": False, "metaKey": False, **held}
        event = {"action": "keydown", "repeat": False, "key": key, "code": f"Key{key.upper()}"}
        self._send(keyboard, "key", {**event, **keys, "location": 0})

    def _send(self, element: ui.element, kind: str, arguments: dict[str, object]) -> None:
        for listener in element._event_listeners.values():
            if listener.type == kind:
                element._handle_event({"listener_id": listener.id, "args": arguments})


def visit(uri: str, walk: Callable[[Visitor], object]) -> None:
    async def run() -> None:
        async with user_simulation() as user:
            await walk(Visitor(user, uri))

    asyncio.run(run())


def test_the_list_of_tables_keeps_up_to_date(db, make_table):
    table = make_table(20, 10)
    table.add_columns({"out": picky})
    make_table(10, 10, name="broken")
    for manifest in Path(db.uri, "broken.lance", "_versions").iterdir():
        manifest.write_bytes(b"x" * 40)

    async def walk(visitor: Visitor) -> None:
        await visitor.open("/tables")
        await visitor.sees('href="/tables/docs"', "not computed", "cannot be read")
        await asyncio.to_thread(fill, table)
        await visitor.sees("✕", "19 fresh, 1 failed", gone="not computed")
        await asyncio.to_thread(db.create_table, "more", [{"id": 1}])
        await visitor.sees('href="/tables/more"', "19 fresh, 1 failed")

    visit(db.uri, walk)


def test_a_table_with_its_rows_and_pages(db, make_table):
    table = make_table(50, 25)
    table.add_columns({"out": picky})

    async def walk(visitor: Visitor) -> None:
        await visitor.open("/tables/docs")
        seen = await visitor.sees("0 to 19 of 50", "picky(id)", "50 not computed", "/?table=docs")
        assert seen.count('class="gv-chip gv-missing"') == 21
        await asyncio.to_thread(fill, table, num_frags=1)
        await visitor.sees("24 fresh, 1 failed, 25 not computed", "LookupError: no &lt;three&gt;")
        assert not visitor.button("chevron_left").enabled
        visitor.press("chevron_right")
        await visitor.sees("20 to 39 of 50", "_rowaddr 4294967296")
        visitor.type("n")
        await visitor.sees("40 to 49 of 50")
        assert not visitor.button("last_page").enabled
        visitor.type("p", ctrlKey=True)  # The browser prints.
        visitor.type("n")
        await asyncio.sleep(0.2)
        assert "40 to 49 of 50" in visitor.seen()
        visitor.type("p")
        await visitor.sees("20 to 39 of 50")
        await asyncio.to_thread(table.delete, "id >= 10")
        await visitor.sees("0 to 9 of 10")

    visit(db.uri, walk)


def test_a_table_that_is_not_there_or_comes_later(db):
    async def walk(visitor: Visitor) -> None:
        await visitor.open("/tables/docs")
        await visitor.sees('role="alert"', "Its tables: none")
        await asyncio.to_thread(db.create_table, "docs", [{"id": 1}])
        await visitor.sees("0 to 0 of 1", gone='role="alert"')

    visit(db.uri, walk)


@pytest.mark.parametrize("path", ["/tables", "/tables/docs"])
def test_a_page_answers_before_anything_is_read(db, path):
    async def walk(visitor: Visitor) -> None:
        await visitor.open(path)
        assert "Looking" in visitor.seen()

    visit(db.uri, walk)
