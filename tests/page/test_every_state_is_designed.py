"""Views without data, without rights and without a server say so, and what to do."""

from pathlib import Path

import pytest
from tests.homes import home_with
from tests.page.conftest import Visit, served
from tests.page.files import FILES

from bindery.store.keys import KeyStore, Scope

pytestmark = pytest.mark.slow

VIEWS = ("collections", "lab", "map", "dimensions", "evaluate", "operations")


@pytest.mark.parametrize("width", [390, 1200])
def test_views_of_an_empty_home_lead_to_adding_files(visit: Visit, empty: str, width: int) -> None:
    tab = visit.tab
    tab.set_viewport_size({"width": width, "height": 800})
    for view in VIEWS[:-1]:
        tab.goto(f"{empty}/?show={view}")
        tab.click(".idle >> text=Add files")
        tab.wait_for_selector(".drop")
    tab.goto(f"{empty}/?show=operations")
    tab.wait_for_selector("text=No jobs yet.")
    tab.goto(f"{empty}/?q=oak")
    tab.wait_for_selector(".drop")


def test_a_key_without_rights_is_told_what_it_lacks(
    visit: Visit, tmp_path: Path, minilm_folder: Path
) -> None:
    home = home_with(minilm_folder, tmp_path / "home")
    store = KeyStore(home)
    _, full = store.create("full", set(Scope))
    _, reader = store.create("reader", {Scope.SEARCH})
    _, other = store.create("other", {Scope.FILES})
    with served(home) as address:
        tab = visit.tab

        def enter(key: str) -> None:
            tab.goto(address)
            tab.wait_for_selector("#key, header button")
            if tab.locator("header button").count():
                tab.click("text=Forget key")
            tab.fill("#key", key)
            tab.keyboard.press("Enter")
            tab.wait_for_selector("text=Forget key")

        enter(full.reveal())
        tab.wait_for_selector(".drop")
        visit.add(FILES[:1])
        enter(reader.reveal())
        tab.wait_for_selector("#query")
        for view in ("lab", "dimensions&q=oak", "operations"):
            tab.goto(f"{address}/?show={view}")
            told = tab.wait_for_selector(".problem >> nth=0").text_content()
            assert "This key does not allow that." in told
            assert "bindery keys create" in told
        tab.goto(f"{address}/?show=map&q=oak")  # without its right to embed, it leaves out a mark
        tab.wait_for_selector(".moving li")
        tab.goto(f"{address}/?show=add")
        tab.wait_for_selector(".drop")
        tab.set_input_files('input[aria-label="Files to add"]', [FILES[0]])
        tab.wait_for_selector(".problem >> text=This key does not allow that.")
        tab.goto(f"{address}/?show=evaluate")
        tab.fill("#questions", "Which wood lasts? => file: pine.md")
        tab.click("text=Compare")
        tab.wait_for_selector(".problem >> text=This key does not allow that.")
        enter(other.reveal())
        tab.wait_for_selector(".problem >> text=This key does not allow that.")


def test_views_without_a_server_come_back_with_it(visit: Visit, address: str) -> None:
    tab = visit.tab
    tab.goto(address)
    tab.wait_for_selector("#query")
    for name in ("Collections", "Chunking", "Map", "Dimensions", "Evaluate", "Operations"):
        visit.context.set_offline(True)
        tab.click(f"nav >> text={name}")
        tab.wait_for_selector(".problem >> text=The server does not answer.")
        assert "bindery serve" in tab.text_content(".problem")
        visit.context.set_offline(False)
        tab.click("text=Try again >> nth=0")
        tab.locator(".problem").first.wait_for(state="detached")
        tab.wait_for_selector("main h1")
        assert tab.locator("header [aria-current]").text_content() == name


# The shifts of content that nobody asked for, as browsers score them.
SHIFTS = """() => new Promise((done) => {
    let sum = 0;
    new PerformanceObserver((list) => list.getEntries().forEach((one) => { sum += one.value; }))
        .observe({ type: "layout-shift", buffered: true });
    setTimeout(() => done(sum), 300);
})"""


@pytest.mark.parametrize("width", [390, 1200])
def test_nothing_is_pushed_away_while_a_view_loads(visit: Visit, address: str, width: int) -> None:
    tab = visit.tab
    tab.set_viewport_size({"width": width, "height": 800})
    for path, ready in (
        ("/", ".idle"),
        ("/?q=oak", ".hit"),
        ("/?show=add", ".drop"),
        ("/?show=collections", ".shelf"),
        ("/?show=evaluate", "#questions"),
        ("/?show=operations", ".tiles"),
    ):
        tab.goto(address + path)
        tab.wait_for_selector(ready)
        tab.wait_for_load_state("networkidle")
        assert tab.evaluate(SHIFTS) < 0.01, path
