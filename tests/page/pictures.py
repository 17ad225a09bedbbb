"""Takes the pictures of docs/page.md and the README, of Bindery's own manual:

PYTHONPATH=.venv-page .venv/bin/python -m tests.page.pictures [VIEW ...]

``docs/pictures/views/VIEW.jpg`` has a view at three widths in both themes.
"""

import os
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from playwright.sync_api import sync_playwright
from tests.documents.samples import pdf_sample
from tests.homes import home_with
from tests.page.conftest import FLAGS, Visit, api, served
from tests.page.files import uploaded

from bindery.models.cache import locate
from bindery.models.catalog import CATALOG
from bindery.settings import read_settings
from bindery.store.rotations import RotationStore
from bindery.vectors.embeddings import Embeddings
from bindery.vectors.rotation import Rotation

_ROOT = Path(__file__).parents[2]
_PICTURES = _ROOT / "docs" / "pictures"
_WIDTHS = {"wide": 1680, "desk": 1100, "phone": 390}
_HEIGHT = 820
_SHEET_HEIGHT = 380
_QUESTION = "How do I revoke a key?"
_ASKED = {
    _QUESTION: "security.md",
    "How are vectors made shorter?": "rotation.md",
    "Which languages does a model know?": "models.md",
    "Can a job go on after a restart?": "jobs.md",
    "What happens on a full disk?": "storage.md",
    "How is a chunk cut from a page?": "chunking.md",
    "Which formats can results have?": "formats.md",
    "Why was this passage found?": "explain.md",
    "Does it work without a network?": "offline.md",
    "How are two models compared?": "evaluate.md",
}
_BINDING = pdf_sample(
    [
        ("On binding", "Loose paper is fragile and is easily lost.", "Bound, it has a place."),
        ("Sewing", "Sheets are folded once, gathered and sewn through the fold with thread."),
        ("Glue", "Paste of wheat holds paper, and can be undone with water."),
    ]
)


def _search(tab: Any, url: str) -> None:
    tab.goto(f"{url}/?q={quote(_QUESTION)}")
    tab.wait_for_selector(".hit")


def _order(tab: Any, url: str) -> None:
    _search(tab, url)
    tab.click("text=Why this order")
    tab.wait_for_selector(".flow")


def _tokens(tab: Any, url: str) -> None:
    _search(tab, url)
    tab.locator(".why summary").first.click()
    tab.locator("text=Compare tokens").first.click()
    tab.click("text=Every token against every token")


def _document(tab: Any, url: str) -> None:
    tab.goto(f"{url}/?q={quote('folded sheets sewn with thread')}&f=kind%3Dpdf")
    tab.click(".hit .file")
    if tab.locator(".original").is_visible():  # on a phone one switches to it
        tab.wait_for_selector(".sheet img")
    tab.wait_for_selector(".rank")
    tab.click(".band.is-hit")
    tab.click("text=Weigh its tokens")
    tab.wait_for_selector(".asked")


def _opened(view: str, ready: str) -> Callable[[Any, str], None]:
    def take(tab: Any, url: str) -> None:
        tab.goto(f"{url}/?show={view}")
        tab.wait_for_selector(ready)

    return take


def _collections(tab: Any, url: str) -> None:
    _opened("collections", ".shelf")(tab, url)
    tab.click("summary >> text=Files")
    tab.wait_for_selector(".holding")


def _lab(tab: Any, url: str) -> None:
    tab.goto(f"{url}/?show=lab&a=recursive-96-0&b=sentence-400-0")
    tab.select_option("#lab-file", label="search.md")
    tab.wait_for_selector("[aria-label='Cut B'] .band")
    tab.wait_for_selector("[aria-label='Cut A'] .band")
    tab.click("text=Recall on questions")
    tab.click("text=Compare")
    tab.wait_for_selector("[aria-label='Cut A'] .recall", timeout=120_000)
    tab.wait_for_selector("[aria-label='Cut B'] .recall", timeout=120_000)
    tab.click("text=Recall on questions")


def _evaluate(tab: Any, url: str) -> None:
    run = api(url, "/collections/default/evaluations")["evaluations"][0]["evaluation_id"]
    tab.goto(f"{url}/?show=evaluate&e={run}")
    tab.wait_for_selector(".plot")
    tab.locator("h2", has_text="question").scroll_into_view_if_needed()
    tab.evaluate("document.querySelector('h2:last-of-type, .plot').scrollIntoView()")
    tab.evaluate("document.querySelector('[role=status] h2').scrollIntoView()")


def _offline(tab: Any, url: str) -> None:
    _search(tab, url)
    tab.context.set_offline(True)
    tab.click("[data-mode=lexical]")
    tab.wait_for_selector(".problem")


VIEWS: Mapping[str, Callable[[Any, str], None]] = {
    "start": _opened("add", ".drop"),
    "idle": lambda tab, url: (tab.goto(url), tab.wait_for_selector(".idle")),
    "search": _search,
    "order": _order,
    "tokens": _tokens,
    "document": _document,
    "collections": _collections,
    "lab": _lab,
    "map": _opened(f"map&q={quote(_QUESTION)}", ".moving li"),
    "dimensions": _opened(f"dimensions&k=64&q={quote(_QUESTION)}", ".moving li"),
    "evaluate": _evaluate,
    "operations": _opened("operations", "[aria-label='Table of settings'], details"),
    "offline": _offline,
}
# Pictures of their own in the manual: the view, its width and its theme.
ALONE: Mapping[str, tuple[str, str]] = {
    "search": ("desk", "light"),
    "order": ("desk", "dark"),
    "tokens": ("desk", "light"),
    "document": ("wide", "light"),
    "map": ("desk", "dark"),
    "evaluate": ("desk", "light"),
    "lab": ("wide", "light"),
    "dimensions": ("desk", "light"),
    "operations": ("desk", "light"),
}


def main(wanted: list[str]) -> None:
    """Write a picture of each view, or of those that are named."""
    (_PICTURES / "views").mkdir(parents=True, exist_ok=True)
    found = locate(CATALOG["vanilla"], read_settings(os.environ).home)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=[*FLAGS]
        )
        home = home_with(found, Path(folder) / "home")
        with served(home) as url:
            _fill(browser, url, home)
            for name in wanted or VIEWS:
                _take(browser, url, name)
        browser.close()


def _fill(browser: Any, url: str, home: Path) -> None:
    visit = Visit(browser, viewport={"width": _WIDTHS["desk"], "height": _HEIGHT})
    visit.tab.goto(url)
    manual = [str(path) for path in sorted((_ROOT / "docs").glob("*.md"))]
    files = [uploaded(Path(one).name, Path(one).read_bytes()) for one in manual]
    visit.add([*files, uploaded("binding.pdf", _BINDING)])
    visit.tab.screenshot(path=_PICTURES / "add.jpg", type="jpeg", quality=60)
    visit.context.close()
    _fit_rotation(url, home)
    questions = [{"question": text, "file": file} for text, file in _ASKED.items()]
    body = {"questions": questions, "modes": ["hybrid", "dense", "lexical"], "sizes": [64]}
    api(url, "/collections/default/evaluations", body)
    while api(url, "/collections/default/evaluations")["evaluations"][0]["state"] != "done":
        time.sleep(1)


def _fit_rotation(url: str, home: Path) -> None:
    """A rotation fitted on the passages, in place of the one that tests have."""
    files = api(url, "/collections/default/files?limit=100")["files"]
    base = "/collections/default/files"
    read = [api(url, f"{base}/{file['file_id']}/passages")["passages"] for file in files]
    texts = [passage["text"] for passages in read for passage in passages]
    rows: list[list[float]] = []
    made: dict[str, Any] = {}
    for start in range(0, len(texts), 128):
        made = api(url, "/embedding/vanilla/generate", {"chunks": texts[start : start + 128]})
        rows += made["embeddings"]
    sample = Embeddings.dense(np.float32(rows))
    store = RotationStore(home / "rotations")
    store.save("manual", Rotation.fit(sample, model="vanilla", revision=made["revision"]))


def _take(browser: Any, url: str, name: str) -> None:
    shots: list[bytes] = []
    for scheme in ("light", "dark"):
        for width, pixels in _WIDTHS.items():
            size = {"width": pixels, "height": _HEIGHT}
            visit = Visit(browser, viewport=size, color_scheme=scheme, reduced_motion="reduce")
            VIEWS[name](visit.tab, url)
            visit.tab.wait_for_timeout(500)  # pictures and chips arrive
            shots.append(visit.tab.screenshot())
            if ALONE.get(name) == (width, scheme):
                visit.tab.screenshot(path=_PICTURES / f"{name}.jpg", type="jpeg", quality=68)
            visit.context.close()
            if visit.errors:
                print(name, width, scheme, visit.errors)  # noqa: T201
    _sheet(browser, name, shots)


def _sheet(browser: Any, name: str, shots: list[bytes]) -> None:
    """The pictures of a view in two rows, one for each theme."""
    images = [f"<img src='data:image/png;base64,{b64encode(one).decode()}'>" for one in shots]
    rows = f"<div>{''.join(images[:3])}</div><div>{''.join(images[3:])}</div>"
    style = (
        "body {margin: 8px; background: #999} div {white-space: nowrap}"
        f"img {{height: {_SHEET_HEIGHT}px; margin: 4px}}"
    )
    visit = Visit(browser, viewport={"width": 1560, "height": 2 * _SHEET_HEIGHT + 40})
    visit.tab.set_content(f"<style>{style}</style>{rows}")
    visit.tab.wait_for_timeout(200)
    visit.tab.screenshot(path=_PICTURES / "views" / f"{name}.jpg", type="jpeg", quality=55)
    visit.context.close()


if __name__ == "__main__":
    main(sys.argv[1:])
