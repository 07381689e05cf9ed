"""The console as a person sees it, in a real browser."""

from __future__ import annotations

import io
import socket
import threading
import time
import wave
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pyarrow as pa
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

import geneva
from tests.console.conftest import SHOTS
from tests.console.functions import picky, slow, words
from tests.console.serving import Served, served, until
from tests.trap import lay_trap

# The console promises two seconds; these tests run beside others.
SOON_MS = 4_000


@geneva.udf
def broken(id: int) -> int:
    if id == 7:
        raise ValueError("<img src=x onerror=alert(1)>")
    return id


@pytest.fixture(scope="module")
def uri(tmp_path_factory) -> str:
    return str(tmp_path_factory.mktemp("browser") / "db")


@pytest.fixture(scope="module")
def table(uri):
    with geneva.connect(uri) as db:
        table = db.create_table("docs", [{"id": i, "text": "a b"} for i in range(2_000)])
        table.add_columns({"words": words, "broken": broken, "slow": slow})
        table.backfill("words", runner="inline", progress=False)
        with pytest.raises(geneva.errors.UDFError):
            table.backfill("broken", runner="inline", progress=False)
        yield table


@pytest.fixture(scope="module")
def console(uri, table) -> Iterator[Served]:
    with served(uri) as console:
        yield console


@pytest.fixture
def running(table):
    """A job that takes its time."""
    job = table.backfill_async("slow", concurrency=1, batch_size=5, where="id >= 0")
    yield job
    job.cancel()
    assert job.wait(20)


def shot(page: Page, name: str) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


def row_of(page: Page, target: str, state: str):
    return page.get_by_role("row").filter(has_text=target).filter(has_text=state)


def test_jobs_are_listed_with_their_state_and_found_again(console, page):
    page.goto(console.address)
    expect(page).to_have_title("Jobs - Geneva")
    expect(row_of(page, "docs.words", "DONE")).to_be_visible()
    expect(row_of(page, "docs.broken", "FAILED")).to_contain_text("ValueError")
    shot(page, "jobs")
    page.get_by_label("Job, column, author or place").fill("broken")
    expect(row_of(page, "docs.words", "DONE")).to_be_hidden()
    expect(row_of(page, "docs.broken", "FAILED")).to_be_visible()
    page.goto(f"{console.address}/?table=docs&status=DONE")
    expect(row_of(page, "docs.words", "DONE")).to_be_visible()
    expect(row_of(page, "docs.broken", "FAILED")).to_be_hidden()


def test_a_running_job_is_followed_without_reloading(console, page, running):
    page.goto(console.address)
    row = row_of(page, "docs.slow", "RUNNING")
    expect(row).to_be_visible(timeout=SOON_MS)
    before = row.inner_text()
    until(lambda: row.inner_text() != before)
    running.cancel()
    assert running.wait(20)
    expect(row_of(page, "docs.slow", "CANCELLED").first).to_be_visible(timeout=SOON_MS)


def test_a_job_s_page_tells_all_of_it_and_draws_it(console, page, running):
    page.goto(f"{console.address}/jobs/{running.job_id}")
    expect(page.get_by_role("heading", name="docs.slow")).to_be_visible()
    expect(page.get_by_text("1 worker, at most 1")).to_be_visible(timeout=20_000)
    # A history is there after two seconds.
    chart = page.get_by_role("img", name="Throughput")
    expect(chart.locator("canvas")).to_be_visible(timeout=20_000)
    expect(page.get_by_label("What limits it")).to_contain_text("docs.slow")
    expect(page.get_by_text("Executing backfill: ")).to_be_visible()
    for tab, text in (
        ("Details", "runner process"),
        ("Plan", "rows to compute"),
        ("Metrics", "rows_checkpointed"),
        ("Output", "at "),
    ):
        page.get_by_role("tab", name=tab).click()
        expect(page.get_by_role("tabpanel").get_by_text(text).first).to_be_visible(timeout=SOON_MS)
    page.get_by_role("tab", name="Events").click()
    shot(page, "job")


def test_a_job_is_steered_by_buttons(console, page, running):
    page.goto(f"{console.address}/jobs/{running.job_id}")
    state = page.get_by_role("status").filter(has_text="RUNNING")
    expect(state).to_be_visible(timeout=20_000)
    until(lambda: running.status().rows_done > 0)
    page.get_by_role("spinbutton", name="Workers").fill("2")
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.get_by_text("at most 2 |")).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("PAUSED", exact=True)).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="Resume").click()
    expect(state).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.get_by_text("CANCELLED", exact=True)).to_be_visible(timeout=20_000)
    expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_hidden()


def test_an_error_is_shown_with_its_traceback_and_as_text(console, page):
    page.goto(console.address)
    row_of(page, "docs.broken", "FAILED").get_by_role("link").click()
    expect(page.get_by_role("alert")).to_contain_text("<img src=x onerror=alert(1)>")
    page.get_by_role("tab", name="Error").click()
    traceback = page.get_by_role("tabpanel").get_by_text("Traceback")
    expect(traceback).to_contain_text("in broken")
    assert page.locator("img[src='x']").count() == 0
    shot(page, "failed")
    page.goto(f"{console.address}/jobs/none")
    expect(page.get_by_role("alert")).to_contain_text("is not recorded")


@pytest.mark.parametrize("path", ["/", "/jobs/{job}", "/tables", "/tables/docs", "/clusters"])
def test_every_page_fits_a_phone_and_both_colors_and_loads_nothing_from_elsewhere(
    console, browser, table, path
):
    (job, *_) = console.json("/api/jobs?status=DONE")["jobs"]
    name = path.strip("/").partition("/")[0] or "jobs"
    for scheme in ("light", "dark"):
        context = browser.new_context(
            viewport={"width": 360, "height": 740}, color_scheme=scheme, has_touch=True
        )
        page = context.new_page()
        asked: list[str] = []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.goto(console.address + path.format(job=job["job_id"]))
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.wait_for_timeout(300)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 360, f"{path} is {wide} pixels wide"
        here = (console.address, console.address.replace("http", "ws"), "data:", "blob:")
        assert [url for url in asked if not url.startswith(here)] == []
        dark = page.evaluate("document.body.classList.contains('body--dark')")
        assert dark == (scheme == "dark")
        shot(page, f"phone-{name}-{scheme}")
        context.close()


def test_colors_are_chosen_and_kept(console, page):
    page.goto(console.address)
    is_dark = "document.body.classList.contains('body--dark')"
    assert not page.evaluate(is_dark)
    page.get_by_role("button", name="Colors: auto").click()
    expect(page.get_by_role("button", name="Colors: dark")).to_be_visible()
    page.wait_for_function(is_dark)
    page.reload()
    expect(page.get_by_role("button", name="Colors: dark")).to_be_visible()
    page.wait_for_function(is_dark)


def test_the_keyboard_reaches_everything(console, page):
    page.goto(console.address)
    expect(row_of(page, "docs.words", "DONE")).to_be_visible()
    reached = []
    for _ in range(14):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        reached.append(focused.inner_text())
        if (focused.get_attribute("href") or "").startswith("/jobs/"):
            break
    assert reached[:5] == ["Skip to the content", "Geneva", "Jobs", "Tables", "Clusters"]
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("docs.")


def test_no_page_unpickles_a_function(tmp_path, browser: Browser):
    with geneva.connect(str(tmp_path / "db")) as db:
        table = db.create_table("docs", [{"id": i} for i in range(20)])
        table.add_columns({"picky": picky})
        done = table.backfill("picky", runner="inline", progress=False)
        sprung = tmp_path / "sprung"
        lay_trap(table, sprung, "picky")
        with served(db.uri) as console:
            page = browser.new_page()
            page.goto(f"{console.address}/tables/docs")
            expect(page.get_by_text("picky(id)")).to_be_visible()
            expect(page.get_by_role("cell").filter(has_text="failed").first).to_be_visible()
            page.goto(f"{console.address}/jobs/{done.job_id}")
            for tab, text in (
                ("Details", "runner inline"),
                ("Plan", "rows to compute"),
                ("Metrics", "rows_checkpointed"),
                ("Output", "has printed nothing"),
                ("Failed rows", "1 rows failed"),
            ):
                page.get_by_role("tab", name=tab).click()
                shown = page.get_by_role("tabpanel").get_by_text(text)
                expect(shown.first).to_be_visible(timeout=SOON_MS)
            page.get_by_text("ValueError: <b>seven</b>").first.click()
            expect(page.get_by_role("tabpanel").get_by_text("Traceback")).to_be_visible()
            for path in ("/", "/tables", "/clusters"):
                page.goto(console.address + path)
                expect(page.get_by_role("heading", level=1)).to_be_visible()
            page.close()
        assert not sprung.exists()


def _image() -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (60, 40), "teal").save(written, "PNG")
    return written.getvalue()


def _sound() -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as sound:
        sound.setparams((1, 2, 8_000, 0, "NONE", ""))
        sound.writeframes(bytes(16_000))
    return written.getvalue()


def test_jobs_that_cannot_be_read_are_said_and_shown_once_they_can(tmp_path, browser: Browser):
    folder = tmp_path / "db"
    with geneva.connect(str(folder)) as db:
        table = db.create_table("docs", [{"id": i, "text": "a"} for i in range(20)])
        table.add_columns({"words": words})
        table.backfill("words", runner="inline", progress=False)
    jobs = folder / "_geneva" / "jobs"
    jobs.rename(tmp_path / "jobs")
    jobs.symlink_to(jobs)
    with served(str(folder)) as console:
        page = browser.new_page()
        page.goto(console.address)
        expect(page.get_by_text("Jobs cannot be read")).to_be_visible()
        jobs.unlink()
        (tmp_path / "jobs").rename(jobs)
        expect(row_of(page, "docs.words", "DONE")).to_be_visible()
        expect(page.get_by_text("Jobs cannot be read")).to_be_hidden()
        page.close()


def test_rows_are_shown_as_what_they_are(console, page, uri):
    vector = pa.array([[0.5, -1.0, 2.0]], pa.list_(pa.float32(), 3))
    values = {"id": [7], "image": [_image()], "sound": [_sound()], "vector": vector}
    with geneva.connect(uri) as db:
        media = db.create_table("media", pa.table({**values, "text": ["<i>no markup</i>"]}))
        media.add_columns({"picky": picky, "words": words})
        media.backfill("picky", runner="inline", progress=False)
    page.goto(f"{console.address}/tables/media")
    image = page.get_by_role("cell").locator("img")
    expect(image).to_be_visible()
    assert image.evaluate("one => one.decode().then(() => one.naturalWidth)") == 60
    sound = page.get_by_role("cell").locator("audio")
    sound.evaluate("one => one.load()")
    page.wait_for_function("document.querySelector('audio').duration === 1")
    expect(page.get_by_role("cell").filter(has_text="3 dimensions")).to_contain_text("-1 to 2")
    expect(page.get_by_role("cell").filter(has_text="<i>no markup</i>")).to_be_visible()
    expect(page.get_by_role("cell").filter(has_text="failed").last).to_be_visible()
    expect(page.get_by_role("cell").filter(has_text="not computed").last).to_be_visible()
    shot(page, "table")


def test_places_of_jobs_are_counted_and_lead_to_them(console, page, running):
    until(lambda: running.status().workers > 0)
    page.goto(f"{console.address}/clusters")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name=socket.gethostname()))
    expect(row.get_by_role("cell").nth(1)).to_have_text("1")
    expect(row.get_by_role("cell").nth(2)).to_have_text("1", timeout=SOON_MS)
    row.get_by_role("link").click()
    expect(row_of(page, "docs.slow", "RUNNING")).to_be_visible()


def test_a_table_is_turned_over_with_keys_and_leads_to_its_jobs(console, page, table):
    page.goto(f"{console.address}/tables")
    page.get_by_role("link", name="docs").click()
    expect(page.get_by_text("0 to 19 of 2,000")).to_be_visible()
    page.keyboard.press("n")
    expect(page.get_by_text("20 to 39 of 2,000")).to_be_visible()
    page.get_by_role("main").get_by_role("link", name="jobs").first.click()
    expect(page.get_by_text("Only of docs: show all")).to_be_visible()


class _Evil(BaseHTTPRequestHandler):
    """A page of another site that wants a job to stop."""

    target = ""

    def do_GET(self) -> None:
        page = f"""<script>
        fetch("{self.target}", {{method: "POST", mode: "no-cors", credentials: "include"}})
          .finally(() => document.title = "sent");
        </script><form method="post" action="{self.target}"><button>win</button></form>
        <iframe src="{self.target.partition("/api")[0]}/"></iframe>"""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, *_given) -> None:
        """Say nothing."""


def test_a_page_of_another_site_cannot_act(console, browser: Browser, running):
    until(lambda: running.status().rows_done > 0)
    target = f"{console.address}/api/jobs/{running.job_id}/cancel"
    handler = type("_Page", (_Evil,), {"target": target})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        page = browser.new_page()
        answers: list[int] = []
        page.on("response", lambda r: answers.append(r.status) if "/api/" in r.url else None)
        page.goto(f"http://127.0.0.1:{server.server_address[1]}/")
        page.wait_for_function("document.title == 'sent'")
        page.get_by_role("button", name="win").click()
        expect(page.get_by_text("comes from a page of another site")).to_be_visible()
        assert set(answers) == {403}
        time.sleep(1.5)
        assert running.record().status.value == "RUNNING"
        page.close()
    finally:
        server.shutdown()
        server.server_close()
