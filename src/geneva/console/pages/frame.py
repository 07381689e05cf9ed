"""What all pages have: a header with the way to the others, and the light or dark they are in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fastapi import Request
from nicegui import ui

_PAGES = (("Jobs", "/"), ("Tables", "/tables"), ("Clusters", "/clusters"))
_COOKIE = "geneva_theme"
_THEMES: dict[str, bool | None] = {"auto": None, "dark": True, "light": False}
_ICONS = {"auto": "brightness_auto", "dark": "dark_mode", "light": "light_mode"}
STYLE = Path(__file__).with_name("style.css")


@contextmanager
def frame(request: Request, uri: str, title: str, page: str) -> Iterator[None]:
    """Put the contents of a block between what all pages have.

    Parameters
    ----------
    request
        What the browser asked.
    uri
        The database.
    title
        What the browser's tab shows.
    page
        Which of the pages in the header it belongs to.
    """
    ui.page_title(f"{title} - Geneva")
    ui.add_css(STYLE)
    with ui.header().classes("g-header"):
        ui.link("Skip to the content", "#main").classes("g-skip")
        ui.link("Geneva", "/").classes("g-brand")
        with ui.element("nav").props('aria-label="Pages"').classes("g-nav"):
            for name, path in _PAGES:
                link = ui.link(name, path)
                if name == page:
                    link.props('aria-current="page"')
        ui.label(uri).classes("g-uri").tooltip(uri)
        _theme_button(request)
    with ui.element("div").props('id="main" tabindex="-1"').classes("g-main"):
        yield


def _theme_button(request: Request) -> None:
    given = request.cookies.get(_COOKIE, "auto")
    theme = given if given in _THEMES else "auto"
    dark = ui.dark_mode(_THEMES[theme])
    names = list(_THEMES)
    now = [theme]

    def change() -> None:
        now[0] = names[(names.index(now[0]) + 1) % len(names)]
        dark.set_value(_THEMES[now[0]])
        button.props(f'icon={_ICONS[now[0]]} aria-label="Colors: {now[0]}"')
        kept = f"{_COOKIE}={now[0]}; path=/; max-age=31536000; samesite=lax"
        ui.run_javascript(f'document.cookie = "{kept}"')

    button = ui.button(icon=_ICONS[theme], on_click=change)
    button.props(f'flat round dense color=inherit aria-label="Colors: {theme}"')
    button.tooltip("Automatic, dark or light colors")
