"""What a person does with the page, from an empty home on."""

from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.homes import home_with
from tests.page.conftest import Visit, parameters, served
from tests.page.files import BAD_NAME, FILES

from bindery.store.keys import KeyStore, Scope

pytestmark = pytest.mark.slow


def test_an_empty_home_is_searched_after_three_steps(visit: Visit, empty: str) -> None:
    tab = visit.tab
    tab.goto(empty)
    assert tab.text_content("h1") == "Make your documents searchable"
    tab.click("text=Try with the sample")
    tab.click("text=Ask them something", timeout=120_000)
    tab.fill("#query", "Why does old paper fall apart?")
    tab.wait_for_selector(".hit mark")
    assert parameters(visit)["q"] == ["Why does old paper fall apart?"]
    assert visit.others(empty) == []
    tab.reload()
    tab.wait_for_selector(".hit")
    assert tab.input_value("#query") == "Why does old paper fall apart?"


def test_each_file_tells_how_it_fared(visit: Visit, empty: str) -> None:
    tab = visit.tab
    tab.goto(f"{empty}/?show=add")
    visit.add(FILES)
    assert tab.text_content(".summary span") == "9 of 10 files ready, 1 not added"
    assert tab.locator('[data-state="failed"] .bad').count() == 1
    assert tab.locator('[data-state="failed"] .name').text_content() == "broken.pdf"
    assert tab.locator(".files .name", has_text="onerror").text_content() == BAD_NAME


def test_the_keyboard_is_enough(visit: Visit, address: str) -> None:
    tab = visit.tab
    tab.goto(address)
    tab.wait_for_selector("#query")
    tab.keyboard.type("oak in roofs")
    tab.wait_for_selector(".hit")
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("ArrowDown")
    assert tab.locator(".hit.active").get_attribute("data-place") == "1"
    assert len(parameters(visit)["hit"][0]) == 32
    tab.keyboard.press("/")
    assert tab.evaluate("document.activeElement.id") == "query"
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("Enter")
    tab.wait_for_selector(".band")
    assert urlsplit(tab.url).path.startswith("/view/default/")
    tab.go_back()
    tab.wait_for_selector(".hit.active")


def test_modes_and_filters_narrow_and_say_so(visit: Visit, address: str) -> None:
    tab = visit.tab
    tab.goto(f"{address}/?q=pine+on+sand")
    tab.wait_for_selector(".hit")
    tab.click('[data-mode="lexical"]')
    tab.wait_for_selector(".facts >> text=against Both")
    assert parameters(visit)["mode"] == ["lexical"]
    tab.click('[data-mode="dense"]')
    tab.wait_for_selector(".facts >> text=against Words")
    tab.click('[data-mode="late"]')
    tab.wait_for_selector(".facts >> text=against Meaning")
    scores = [float(one) for one in tab.locator(".score").all_text_contents()]
    assert scores == sorted(scores, reverse=True)
    tab.click("text=Why this order")
    tab.wait_for_selector(".flow .head >> text=tokens")
    tab.click('[data-mode="dense"]')
    tab.wait_for_selector(".facts >> text=against Late")
    tab.click('[data-chip="kind=pdf"]')
    tab.wait_for_selector(".hit:has-text('two.pdf')")
    tab.locator(".hit:has-text('pine.md')").wait_for(state="detached")
    assert parameters(visit)["f"] == ["kind=pdf"]
    tab.reload()
    tab.wait_for_selector(".hit")
    assert tab.locator(".hit:has-text('pine.md')").count() == 0
    tab.click("text=Clear")
    tab.wait_for_selector(".hit:has-text('pine.md')")
    tab.fill("#query", '"no passage has this phrase"')
    tab.wait_for_selector("text=Nothing found")


def test_a_hit_is_shown_in_its_document_beside_the_page(visit: Visit, address: str) -> None:
    tab = visit.tab
    tab.goto(f"{address}/?q=second+page&f=kind%3Dpdf")
    tab.click(".hit .file")
    tab.wait_for_selector(".band.is-hit")
    tab.wait_for_selector(".sheet img")
    assert tab.evaluate("document.querySelector('.sheet img').naturalWidth") in (999, 1000, 1001)
    assert tab.locator(".is-hit .rank").first.text_content().startswith("#")


def test_warnings_of_the_reader_are_in_the_margin(visit: Visit, address: str) -> None:
    tab = visit.tab
    tab.goto(f"{address}/?q=ledger")
    tab.locator(".hit .file", has_text="blank.pdf").first.click()
    tab.wait_for_selector(".warning >> text=These pages have no text: 2.")
    assert tab.locator(".band .sign").get_attribute("title") == "These pages have no text: 2."
    assert tab.locator(".sheet[data-page='2'] .sign").count() == 1


def test_a_long_document_opens_at_the_hit_and_draws_only_what_is_near(
    visit: Visit, address: str
) -> None:
    tab = visit.tab
    tab.goto(f"{address}/?q=chapter+150&mode=lexical")
    tab.locator(".hit .file", has_text="long.md").first.click()
    tab.wait_for_selector(".band.is-hit .words mark")
    assert tab.locator(".band").count() < 160
    hit, pane = (tab.locator(one).bounding_box() for one in (".band.is-hit", ".bands"))
    assert pane["y"] <= hit["y"] < pane["y"] + pane["height"]
    tab.evaluate("document.querySelector('.bands').scrollTop = 0")
    tab.wait_for_selector('.band[data-place="0"]')


def test_the_order_and_what_is_missing_are_explained(visit: Visit, address: str) -> None:
    tab = visit.tab
    tab.goto(f"{address}/?q=oak+in+roofs")
    tab.wait_for_selector(".hit")
    tab.click("text=Why this order")
    tab.wait_for_selector(".flow")
    hits = tab.locator(".hit").count()
    assert tab.locator(".flow .line").count() == min(10, hits)
    tab.locator(".why summary").first.click()
    word = tab.locator(".hit").first.locator(".shares li", has_text="oak")
    word.hover()
    assert "Oak" in tab.locator(".hit").first.locator("mark.lit").all_text_contents()
    tab.locator(".hit").first.locator("text=Compare tokens").click()
    tab.wait_for_selector(".hit .asked li >> text=oak")
    assert "Oak" in tab.locator(".hit .text .t5").all_text_contents()
    assert "passages were allowed." in tab.text_content(".order .note")
    tab.fill("[aria-label='Words of a passage that you miss']", "Case 7 of the catalogue lists")
    tab.click("text=Why not this one?")
    tab.wait_for_selector(".missed >> text=Its places and scores")
    tab.locator(".flow .line").first.locator("circle").first.click()
    assert tab.locator(".hit.active").get_attribute("data-place") == "0"
    tab.keyboard.press("Enter")
    tab.wait_for_selector(".rank")
    tab.focus(".bands")
    tab.keyboard.press("n")
    tab.wait_for_selector(".reason:has-text('Place')")
    tab.click("text=Weigh its tokens")
    tab.locator(".asked li", has_text="roofs").hover()
    assert "roofs" in tab.locator(".band.chosen .words .t5").all_text_contents()
    tab.click("text=Every token against every token")
    asked = tab.locator(".asked li").count()
    assert tab.locator(".matrix tbody tr").count() == asked
    assert tab.locator(".matrix td.best").count() == asked


@pytest.mark.parametrize("file", ["trap.html", "bad.md", BAD_NAME])
def test_nothing_in_a_document_runs_or_reaches_out(visit: Visit, address: str, file: str) -> None:
    tab = visit.tab
    tab.goto(f"{address}/?q=glue+trap")
    tab.locator(".hit .file", has_text=file).first.click()
    tab.wait_for_selector(".band")
    if file == "trap.html":
        frame = tab.wait_for_selector(".original iframe")
        assert frame.get_attribute("sandbox") == ""
        inside = frame.content_frame()
        inside.wait_for_selector("text=Glue holds the trap together.")
        left = "script, style, link, iframe, object, form, svg, [onload], [src], [href], [style]"
        assert inside.locator(left).count() == 0
    tab.wait_for_timeout(300)  # for whatever would still start
    assert tab.evaluate("window.pwned") is None
    assert tab.url.startswith(address)
    assert visit.others(address) == []
    assert tab.locator("main img[src=x], main script").count() == 0


def test_text_is_shown_in_its_direction_and_marked_in_its_characters(
    visit: Visit, address: str
) -> None:
    tab = visit.tab
    tab.goto(f"{address}/?q=الورق القديم&mode=lexical")
    text = tab.wait_for_selector(".hit .text")
    assert tab.evaluate("(one) => getComputedStyle(one).direction", text) == "rtl"
    tab.fill("#query", "𠮷野家")
    tab.wait_for_selector(".hit:has-text('zh.md') mark")
    assert "".join(tab.locator(".hit .text mark").all_text_contents()) == "𠮷野家"


def test_a_file_is_removed_after_a_second_press(visit: Visit, empty: str) -> None:
    tab = visit.tab
    tab.goto(f"{empty}/?show=add")
    visit.add(FILES[:2])
    tab.goto(f"{empty}/?show=collections")
    tab.click("summary >> text=Files")
    remove = tab.locator(".holding", has_text="pine.md").locator("button")
    remove.click()
    assert remove.text_content() == "Remove it?"
    remove.click()
    tab.wait_for_selector("text=pine.md is removed")
    tab.goto(f"{empty}/?q=pine")
    tab.wait_for_selector(".hit:has-text('two.pdf')")
    assert tab.locator(".hit:has-text('pine.md')").count() == 0


def test_operations_show_what_a_key_may_see(visit: Visit, address: str) -> None:
    tab = visit.tab
    tab.goto(f"{address}/?show=operations")
    tab.wait_for_selector(".tiles >> text=Memory of models")
    assert tab.locator("[aria-label='Table of models'] >> text=vanilla").count() == 1
    tab.wait_for_selector("[aria-label='Table of jobs'] >> text=done")
    assert "MB free on its disk" in tab.text_content("[aria-label=Disk]").replace("GB", "MB")
    assert tab.locator("[aria-label=Settings] td strong", has_text="port").count() == 1


def test_unknown_documents_and_collections_lead_back(visit: Visit, address: str) -> None:
    tab = visit.tab
    tab.goto(f"{address}/view/default/nothing")
    tab.wait_for_selector("text=There is no such file.")
    tab.click("text=Back to the search")
    tab.wait_for_selector("#query")
    tab.goto(f"{address}/?c=nothing&q=oak")
    tab.wait_for_selector("text=There is no collection nothing.")


def test_a_server_that_has_gone_is_told(visit: Visit, address: str) -> None:
    tab = visit.tab
    tab.goto(address)
    tab.wait_for_selector("#query")
    visit.context.set_offline(True)
    tab.fill("#query", "oak")
    tab.wait_for_selector("text=The server does not answer.")
    visit.context.set_offline(False)
    tab.click("text=Try again")
    tab.wait_for_selector(".hit")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [380, 1200])
def test_nothing_keeps_people_out(chromium: Any, address: str, scheme: str, width: int) -> None:
    axe = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text()
    size = {"width": width, "height": 800}
    visit = Visit(chromium, viewport=size, color_scheme=scheme, bypass_csp=True)
    tab = visit.tab
    for path, ready in (
        ("/", ".idle"),
        ("/?show=add", ".drop"),
        ("/?show=collections", ".shelf"),
        ("/?show=lab", ".bands > *"),
        ("/?show=operations", ".tiles"),
        ("/?show=evaluate", "#questions"),
        ("/?show=dimensions&q=oak", ".moving"),
        ("/?show=map&q=oak", ".moving li"),
        ("/?q=oak", ".hit"),
        ("/?q=second+page&f=kind%3Dpdf", ".hit"),
    ):
        tab.goto(address + path)
        tab.wait_for_selector(ready)
        if "pdf" in path:
            tab.click(".hit .file")
            tab.wait_for_selector(".band .rank")
        tab.evaluate(axe)
        found = tab.evaluate("axe.run(document, {iframes: false})")["violations"]
        assert [(one["id"], one["nodes"][0]["html"]) for one in found] == [], path
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
    visit.context.close()


def test_the_first_view_is_small(visit: Visit, address: str) -> None:
    sizes: list[int] = []
    visit.tab.on("requestfinished", lambda one: sizes.append(one.sizes()["responseBodySize"]))
    visit.tab.goto(address)
    visit.tab.wait_for_selector("#query")
    assert 0 < sum(sizes) < 100_000


def test_a_key_is_asked_for_and_its_rights_are_told(
    visit: Visit, tmp_path: Path, minilm_folder: Path
) -> None:
    home = home_with(minilm_folder, tmp_path / "home")
    store = KeyStore(home)
    every = {Scope.SEARCH, Scope.COLLECTIONS, Scope.FILES}
    _, full = store.create("full", every)
    _, reader = store.create("reader", {Scope.SEARCH})
    _, admin = store.create("admin", {Scope.SEARCH, Scope.ADMIN})
    with served(home) as address:
        tab = visit.tab
        tab.goto(address)
        tab.fill("#key", "wrong")
        tab.keyboard.press("Enter")
        tab.wait_for_selector("text=The server does not know this key.")
        tab.fill("#key", full.reveal())
        tab.keyboard.press("Enter")
        tab.wait_for_selector(".drop")
        visit.add([file for file in FILES if file["name"] == "two.pdf"])
        assert tab.evaluate("localStorage.length") == 0
        tab.click("text=Forget key")
        tab.fill("#key", reader.reveal())
        tab.keyboard.press("Enter")
        tab.fill("#query", "second page")
        tab.click(".hit .file")
        tab.wait_for_selector(".band")
        tab.wait_for_selector(".original .problem >> text=This key does not allow that.")
        tab.goto(f"{address}/?show=operations")
        tab.wait_for_selector("[aria-label=Keys] .problem >> text=This key does not allow that.")
        tab.click("text=Forget key")
        tab.fill("#key", admin.reveal())
        tab.keyboard.press("Enter")
        revoke = tab.locator("[aria-label='Table of keys'] tr", has_text="reader").locator("button")
        revoke.click()
        revoke.click()
        revoke.wait_for(state="detached")
        assert {key.name for key in store.read()} == {"full", "admin"}
        assert full.reveal() not in " ".join(visit.requests)
