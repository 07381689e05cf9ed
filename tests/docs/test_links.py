"""Links between pages lead somewhere, and nothing names a place that only its writer has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, page_name, pages

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_PRIVATE = re.compile(
    r"(/(work|root|home|Users|tmp|opt|mnt)/|localhost|127\.0\.0\.1|https?://10\.)"
)


def anchors(page: Path) -> set[str]:
    """Return the anchors that headings of a page get."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    heads = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", pages(), ids=page_name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for link in _LINK.findall(text):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page_name(page)}: {link}"
        assert ROOT in target.parents, f"{page_name(page)}: {link}"
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{page_name(page)}: no heading for {link}"


@pytest.mark.parametrize("page", pages(), ids=page_name)
def test_no_private_places(page: Path) -> None:
    found = _PRIVATE.search(page.read_text())
    assert found is None, f"{page_name(page)} names {found.group()}" if found else ""


def test_every_page_is_reachable_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        for link in _LINK.findall(page.read_text()):
            target = (page.parent / link.partition("#")[0]).resolve()
            if "://" not in link and target.suffix == ".md" and target.exists():
                waiting.append(target)
    lost = {page_name(page) for page in pages()} - {page_name(page) for page in seen}
    assert not lost
