"""10,000 hits, passages and chunks, and 500 pages: only what is near the view is in the page."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.documents.samples import pdf_sample
from tests.homes import home_with
from tests.page.conftest import Visit, api, served
from tests.page.files import uploaded

pytestmark = pytest.mark.slow

HITS = 10_000
PAGES = 500
# Equal texts are embedded once, so that this collection is made in seconds.
SHELVES = "\n\n".join(
    f"## Shelf {n % 97}\n\nThe binder keeps glue, board and thread on shelf {n % 97}."
    for n in range(HITS)
)
BOOK = pdf_sample([(f"Sheet {n}", "Folded once and sewn.") for n in range(1, PAGES + 1)])
# In the page: the groups near the view, of 40 rows each.
MOST_ROWS = 240


@pytest.fixture(scope="module")
def many(
    tmp_path_factory: pytest.TempPathFactory, minilm_folder: Path, chromium: Any
) -> Iterator[str]:
    """A server with a file of 10,000 passages and a book of 500 pages."""
    with served(home_with(minilm_folder, tmp_path_factory.mktemp("many"))) as url:
        api(url, "/collections", {"name": "default", "strategy": "markdown"})
        visit = Visit(chromium)
        visit.tab.goto(f"{url}/?show=add")
        visit.add([uploaded("shelves.md", SHELVES), uploaded("book.pdf", BOOK)])
        visit.context.close()
        yield url


def test_ten_thousand_hits_are_scrolled_through(visit: Visit, many: str) -> None:
    tab = visit.tab
    tab.goto(f"{many}/?q=glue")
    tab.click("text=More passages")
    tab.wait_for_function(
        f"""() => {{
            scrollTo(0, document.documentElement.scrollHeight);
            return [...document.querySelectorAll(".hits .group")].at(-1)?.start > {HITS - 40};
        }}""",
        timeout=60_000,
    )
    assert tab.locator(".hit").count() <= MOST_ROWS
    tab.evaluate("scrollTo(0, 0)")
    tab.wait_for_selector('.hit[data-place="0"]')
    tab.locator('.hit[data-place="9000"]').wait_for(state="detached")
    tab.keyboard.press("/")
    tab.keyboard.press("ArrowDown")
    assert tab.locator(".hit.active").get_attribute("data-place") == "0"


def test_ten_thousand_passages_and_chunks_are_drawn_as_they_come_near(
    visit: Visit, many: str
) -> None:
    tab = visit.tab
    tab.goto(f"{many}/?q=glue&f=kind%3Dmarkdown")
    tab.click(".hit .file")
    tab.wait_for_selector(".band.is-hit")
    for share in (0, 0.5, 1, 0):
        tab.evaluate(
            "(share) => { const one = document.querySelector('.bands');"
            "one.scrollTop = share * one.scrollHeight; }",
            share,
        )
        tab.wait_for_timeout(200)
        assert 0 < tab.locator(".band").count() <= MOST_ROWS
    tab.wait_for_selector('.band[data-place="0"]')
    tab.goto(f"{many}/?show=lab&b=markdown-64-0")
    tab.select_option("#lab-file", label="shelves.md")
    tab.wait_for_selector("[aria-label='Cut B'] .facts >> text=10,000 chunks")
    assert 0 < tab.locator(".band").count() <= 2 * MOST_ROWS


def test_only_pages_near_the_view_are_drawn(visit: Visit, many: str) -> None:
    tab = visit.tab
    tab.goto(f"{many}/?q=sheet+400&mode=lexical&f=kind%3Dpdf")
    tab.click(".hit .file")
    tab.wait_for_selector(".sheet.current img")
    found = tab.locator(".sheet.current").get_attribute("data-page")
    assert int(found) > PAGES / 2
    tab.wait_for_function(
        f"""() => {{
            document.querySelector(".original").scrollTop = 1e9;
            return document.querySelector('.sheet[data-page="{PAGES}"] img');
        }}"""
    )
    tab.locator(f'.sheet[data-page="{PAGES + 1}"]').wait_for(state="detached")
    tab.evaluate("document.querySelector('.original').scrollTop = 0")
    tab.wait_for_selector('.sheet[data-page="1"] img')
    tab.locator(f'.sheet[data-page="{found}"] img').wait_for(state="detached")
    assert tab.locator(".sheet img").count() <= 8
