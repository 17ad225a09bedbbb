"""The views that compare: chunks, settings, dimensions, and the map."""

import pytest
from tests.page.conftest import Visit, parameters
from tests.page.files import uploaded

pytestmark = pytest.mark.slow


def test_two_ways_to_cut_are_compared(visit: Visit, address: str) -> None:
    tab = visit.tab
    tab.goto(f"{address}/?show=lab")
    tab.select_option("#lab-file", label="pine.md")
    tab.fill('[aria-label="Size A, in tokens"]', "8")
    tab.keyboard.press("Tab")
    tab.select_option('[aria-label="Strategy B"]', "fixed")
    first, second = (tab.locator(f'[aria-label="Chunks {one}"]') for one in "AB")
    first.locator(".band").nth(2).wait_for()
    second.locator(".band").first.wait_for()
    assert second.locator(".band").count() == 1
    assert parameters(visit)["a"] == ["recursive-8-0"]
    assert parameters(visit)["b"] == ["fixed-256-0"]
    tab.click("text=Recall on questions")
    tab.fill("#lab-questions", "Which wood lasts? => Oak lasts for centuries\nNo answer => nowhere")
    tab.click("text=Compare")
    for side in "AB":
        told = tab.wait_for_selector(f"[aria-label='Cut {side}'] .recall summary").text_content()
        assert told == "The best 1,000 tokens hold 1.00 of the answers to 1 question."


def test_hits_are_marked_right_and_become_questions(visit: Visit, address: str) -> None:
    tab = visit.tab
    tab.goto(f"{address}/?q=wood+that+lasts")
    right = tab.locator(".hit", has_text="pine.md").first.locator("[aria-label=Right]")
    right.click()
    tab.wait_for_selector(".judge [aria-pressed=true]")
    tab.reload()
    tab.wait_for_selector(".hit .judge [data-right=true][aria-pressed=true]")
    tab.goto(f"{address}/?show=evaluate")
    tab.select_option("#source", "marks")
    tab.click("text=Compare")
    tab.wait_for_selector("[role=status] h2 >> text=1 question", timeout=60_000)
    tab.goto(f"{address}/?q=wood+that+lasts")
    right.click()
    tab.locator(".judge [aria-pressed=true]").first.wait_for(state="detached")


def test_settings_are_compared_on_questions(visit: Visit, address: str) -> None:
    tab = visit.tab
    tab.goto(f"{address}/?show=evaluate")
    tab.wait_for_selector("#questions")
    tab.click("text=Compare")
    tab.wait_for_selector("text=Write at least one question")
    rows = 'question,file\n"Which wood, if any, lasts?",pine.md\nWhat does glue hold?,trap.html\n'
    tab.set_input_files("input[type=file]", [uploaded("questions.csv", rows)])
    tab.wait_for_selector("text=2 questions of questions.csv.")
    tab.click("text=Compare")
    table = tab.wait_for_selector("[aria-label='Table of settings']", timeout=60_000)
    names = [one.text_content() for one in table.query_selector_all("td:first-child span")]
    assert names == ["as it is, hybrid", "as it is, dense", "as it is, lexical"]
    assert tab.locator(".plot").count() == 2
    assert tab.locator(".plot circle").count() == 6
    assert parameters(visit)["e"][0].startswith("eval_")
    tab.reload()
    tab.wait_for_selector(".plot")
    delete = tab.locator(".holding button", has_text="Delete").first
    delete.click()
    delete.click()
    tab.locator(".plot").first.wait_for(state="detached")


def test_passages_move_while_vectors_are_cut(visit: Visit, address: str) -> None:
    tab = visit.tab
    tab.goto(f"{address}/?show=dimensions")
    tab.fill('[aria-label="Question"]', "oak in roofs")
    tab.keyboard.press("Enter")
    tab.wait_for_selector(".moving")
    plain, rotated = tab.locator(".sides section").all()
    assert "384 dimensions" in plain.text_content()
    assert plain.locator("li").all_text_contents() == rotated.locator("li").all_text_contents()
    tab.focus('[aria-label="Dimensions"]')
    tab.keyboard.press("End")
    assert "32 dimensions" in tab.locator(".sides section").first.text_content()
    assert parameters(visit)["k"] == ["32"]
    assert "8.3 % of float32 at 384" in tab.locator("dd").first.text_content()


def test_the_map_opens_the_passage_of_a_point(visit: Visit, address: str) -> None:
    tab = visit.tab
    tab.goto(f"{address}/?show=map")
    tab.fill('[aria-label="Question"]', "oak in roofs")
    tab.keyboard.press("Enter")
    tab.wait_for_selector(".moving li")
    canvas = tab.locator("canvas")
    box = canvas.bounding_box()
    found = tab.evaluate("fetch('/collections/default/map').then((one) => one.json())")
    point = next(one for one in found["points"] if one["file"] == "pine.md")
    inner = (box["width"] - 48, box["height"] - 48)
    where = {"x": 24 + (point["x"] + 1) / 2 * inner[0], "y": 24 + (1 - point["y"]) / 2 * inner[1]}
    canvas.hover(position=where)
    tab.wait_for_selector(".told:has-text('pine.md')")
    canvas.click(position=where)
    tab.wait_for_selector(".band")
