"""The page of one table: its columns with the state of each, and its rows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from nicegui import events, ui

from geneva.console.pages.links import jobs_link
from geneva.console.pages.table_html import columns_html, rows_html
from geneva.console.pages.tables import STYLE, error_html
from geneva.console.pages.waiting import FAILURES, again_and_again, in_thread
from geneva.console.rows import read_rows
from geneva.html import joined, tag
from geneva.jobs.wording import counted
from geneva.overview import TableLine, columns_of, table_of

_ROWS = 20
_MOST_COLUMNS = 40
# Whether somebody is at something that a new grid would take away: a sound that plays, a text that
# is unfolded, a value that has the focus.
_BUSY = """
const grid = document.getElementById(%r);
return !!grid && (!!grid.querySelector('details[open]')
  || [...grid.querySelectorAll('audio, video')].some(one => !one.paused)
  || (grid.contains(document.activeElement) && !document.activeElement.matches('.gv-scroll')));
"""


def table_content(uri: str, table: str) -> None:
    """Show a table, and keep it up to date.

    Parameters
    ----------
    uri, table
        The database, and its table.
    """
    ui.add_css(STYLE)
    with ui.column().classes("gv-tables"):
        _TablePage(uri, table)


class _TablePage:
    """What one visitor sees of a table: where in its rows, and of which version."""

    def __init__(self, uri: str, table: str) -> None:
        self._uri = uri
        self._table = table
        self._line: TableLine | None = None
        self._offset = 0
        self._columns: list[str] | None = None
        self._version_shown: int | None = None
        self._asked = 0
        self._head = ui.html(tag("h1", table))
        ui.html(tag("h2", "Columns"))
        self._states = ui.html(tag("p", "Looking …", class_="gv-quiet"))
        self._make_pager()
        self._grid = ui.html("")
        # On a button too: whoever pressed one goes on with a key.
        ui.keyboard(self._on_key, repeating=False, ignore=["input", "select", "textarea"])
        again_and_again(partial(table_of, uri, table), self._show, self._failed)

    def _make_pager(self) -> None:
        with ui.row().classes("gv-pager"):
            ui.html(tag("h2", "Rows"))
            self._where = ui.label("").props("aria-live=polite").classes("gv-quiet")
            self._newer = ui.button("Show the new version", on_click=self._show_rows)
            self._newer.props("dense outline no-caps").set_visibility(False)
            ui.space()
            self._back = [
                self._pager_button("First rows", "first_page", "", lambda: 0),
                self._pager_button("Previous rows", "chevron_left", "p", self._before),
            ]
            self._forth = [
                self._pager_button("Next rows", "chevron_right", "n", self._after),
                self._pager_button("Last rows", "last_page", "", self._last),
            ]
        self._choice = ui.select([], multiple=True, label="Columns", on_change=self._choose)
        self._choice.props("dense options-dense").classes("gv-choice").set_visibility(False)

    def _pager_button(self, words: str, icon: str, key: str, to: Callable[[], int]) -> ui.button:
        button = ui.button(icon=icon, on_click=lambda: self._go(to()))
        button.props(f'flat dense aria-label="{words}"')
        return button.tooltip(f"{words}: press {key}" if key else words)

    def _before(self) -> int:
        return self._offset - _ROWS

    def _after(self) -> int:
        return self._offset + _ROWS

    def _last(self) -> int:
        rows = 0 if self._line is None else self._line.rows
        return max(0, (rows - 1) // _ROWS * _ROWS)

    async def _on_key(self, event: events.KeyEventArguments) -> None:
        held = event.modifiers
        if not event.action.keydown or held.ctrl or held.alt or held.meta:
            return
        if event.key.name == "n":
            await self._go(self._after())
        elif event.key.name == "p":
            await self._go(self._before())

    async def _go(self, offset: int) -> None:
        offset = min(max(0, offset), self._last())
        if offset != self._offset:
            self._offset = offset
            await self._show_rows()

    async def _choose(self, event: events.ValueChangeEventArguments[list[str]]) -> None:
        chosen = set(event.value or ())
        if chosen == set(self._columns or ()):
            return
        self._columns = [name for name in self._choice.options if name in chosen]
        self._say_choice()
        await self._show_rows()

    async def _show(self, line: TableLine) -> None:
        """Show what changed, if this is another version than the one that is shown."""
        if line == self._line:
            return
        columns = await in_thread(columns_of, self._uri, self._table)
        self._line = line
        self._head.content = _head(line)
        self._states.content = columns_html(columns)
        self._offer([one.column for one in columns])
        if self._version_shown is None or not await self._is_busy():
            await self._show_rows()
        else:
            self._newer.set_visibility(True)

    def _failed(self, error: Exception) -> None:
        self._states.content = error_html(error)
        self._line = None

    def _offer(self, names: list[str]) -> None:
        """Let wide tables be looked at by some of their columns."""
        if self._choice.options == names:
            return
        before = self._columns
        new = set(names) - set(self._choice.options)  # A column that was just added is shown.
        kept = [name for name in names if before is None or name in before or name in new]
        self._columns = kept[:_MOST_COLUMNS]
        self._choice.set_options(names, value=self._columns)
        self._say_choice()
        self._choice.set_visibility(len(names) > 1)

    def _say_choice(self) -> None:
        chosen, all_of_them = len(self._columns or ()), len(self._choice.options)
        self._choice.props(f'display-value="{chosen} of {all_of_them}"')

    async def _is_busy(self) -> bool:
        try:
            return bool(await ui.run_javascript(_BUSY % self._grid.html_id, timeout=1.0))
        except TimeoutError:
            return False

    async def _show_rows(self) -> None:
        self._asked += 1
        asked = self._asked
        self._offset = min(self._offset, self._last())
        try:
            page = await in_thread(
                read_rows,
                self._uri,
                self._table,
                offset=self._offset,
                limit=_ROWS,
                columns=self._columns,
            )
        except FAILURES as error:
            self._grid.content = error_html(error)
            return
        if asked != self._asked:
            return  # Somebody went on meanwhile.
        self._version_shown = page.version
        self._newer.set_visibility(False)
        self._grid.content = rows_html(page)
        last = page.offset + max(0, len(page.rows) - 1)
        self._where.text = f"{page.offset:,} to {last:,} of {page.total:,}" if page.rows else ""
        for button in self._back:
            button.set_enabled(page.offset > 0)
        for button in self._forth:
            button.set_enabled(last + 1 < page.total)


def _head(line: TableLine) -> str:
    facts = (
        f"{counted(line.rows, 'row')} in {counted(line.fragments, 'fragment')}, "
        f"{counted(line.columns, 'column')}, "
        f"version {line.version:,} · "
    )
    jobs = tag("a", "jobs", href=jobs_link(line.table))
    return joined(tag("h1", line.table), tag("span", facts, jobs, class_="gv-quiet"))
