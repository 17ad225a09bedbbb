"""Takes the pictures of docs/page.md, of Bindery's own manual:

PYTHONPATH=.venv-page .venv/bin/python -m tests.page.pictures
"""

import os
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright
from tests.homes import home_with
from tests.page.conftest import FLAGS, Visit, served

from bindery.models.cache import locate
from bindery.models.catalog import CATALOG
from bindery.settings import read_settings

_ROOT = Path(__file__).parents[2]
_PICTURES = _ROOT / "docs" / "pictures"
_WIDTHS = {"wide": 1400, "desk": 1100, "phone": 390}
_QUESTION = "/?q=How+do+I+revoke+a+key%3F"


def main() -> None:
    """Write a picture of each view."""
    _PICTURES.mkdir(exist_ok=True)
    found = locate(CATALOG["vanilla"], read_settings(os.environ).home)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=[*FLAGS]
        )
        with served(home_with(found, Path(folder) / "home")) as address:
            _take(browser, address)
        browser.close()


def _take(browser: Any, address: str) -> None:
    visit = _visit(browser, "desk", "light")
    visit.tab.goto(address)
    visit.add([str(path) for path in sorted((_ROOT / "docs").glob("*.md"))])
    _save(visit, "add")
    for name, width, scheme in (("search", "desk", "light"), ("search-phone", "phone", "dark")):
        visit = _visit(browser, width, scheme)
        visit.tab.goto(address + _QUESTION)
        visit.tab.wait_for_selector(".hit")
        _save(visit, name)
    visit = _visit(browser, "desk", "dark")
    visit.tab.goto(address + _QUESTION)
    visit.tab.click("text=Why this order")
    visit.tab.wait_for_selector(".flow")
    _save(visit, "order")
    visit = _visit(browser, "wide", "light")
    visit.tab.goto(address + _QUESTION)
    visit.tab.click(".hit .file")
    visit.tab.wait_for_selector(".rank")
    visit.tab.click(".band.is-hit")
    visit.tab.wait_for_selector(".reason:has-text('Place')")
    _save(visit, "document")


def _visit(browser: Any, width: str, scheme: str) -> Visit:
    return Visit(browser, viewport={"width": _WIDTHS[width], "height": 760}, color_scheme=scheme)


def _save(visit: Visit, name: str) -> None:
    visit.tab.wait_for_timeout(400)  # pictures and chips arrive
    visit.tab.screenshot(path=_PICTURES / f"{name}.jpg", type="jpeg", quality=72)
    visit.context.close()


if __name__ == "__main__":
    main()
