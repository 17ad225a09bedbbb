"""Documents and file names that try to run, load or lead away, in every view that shows them."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tests.documents.hostile.references import references
from tests.documents.samples import pdf_of
from tests.homes import home_with
from tests.page.conftest import Visit, api, served
from tests.page.files import BAD_NAME, BAD_TEXT, HOSTILE, uploaded

pytestmark = pytest.mark.slow

SVG = """<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(20)">
<script>parent.pwned = 1; alert(21)</script><text>Glue holds the drawing together.</text>
<foreignObject><iframe xmlns="http://www.w3.org/1999/xhtml" src="javascript:alert(22)"/>
</foreignObject><a href="javascript:alert(23)"><text>link</text></a></svg>"""
_ACTIONS = (
    "/AA<</O<</S/JavaScript/JS(app.alert\\(24\\))>>>>"
    "/Annots[<</Type/Annot/Subtype/Link/Rect[0 0 612 792]/A<</S/URI/URI(ADDRESS/click)>>>>"
    "<</Type/Annot/Subtype/Widget/FT/Btn/Rect[0 0 9 9]/A<</S/SubmitForm/F(ADDRESS/form)>>>>]"
)
NAMES = (
    BAD_NAME,
    "javascript:alert(30)",
    '"><script>alert(31)</script>.md',
    "..%2f..%2fetc%2fpasswd.md",
    "glue\u202egpj.exe.md",
    "?span=0-1&q=x#y.md",
    "{{constructor.constructor('alert(32)')()}}.md",
    "\U0001f4d6 " + "ق" * 60 + ".md",
)


@contextmanager
def listening() -> Iterator[tuple[str, list[str]]]:
    """The address of a server outside the page's own, and the paths that it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        do_POST = do_HEAD = do_OPTIONS = do_GET  # noqa: N815 - named by the base class

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


def test_nothing_runs_or_reaches_out_in_any_view(
    visit: Visit, tmp_path: Path, minilm_folder: Path
) -> None:
    with listening() as (outside, asked), served(home_with(minilm_folder, tmp_path / "h")) as url:
        tab = visit.tab
        documents = {
            **references(outside),
            "drawing.svg": SVG,
            "trap.html": HOSTILE.replace("http://evil.example", outside),
            "script.pdf": pdf_of(
                ["BT /F1 18 Tf 72 700 Td (Glue holds the page.) Tj ET"],
                page=_ACTIONS.replace("ADDRESS", outside),
            ),
        }
        names = [uploaded(name, f"{BAD_TEXT}\n\n{n}") for n, name in enumerate(NAMES)]
        tab.goto(f"{url}/?show=add")
        visit.add([*(uploaded(name, data) for name, data in documents.items()), *names])
        files = api(url, "/collections/default/files?limit=100")["files"]
        # Browsers write a quotation mark in a name as %22.
        expected = {"drawing.svg", "script.pdf", "trap.html", BAD_NAME, NAMES[1], NAMES[-1]}
        assert expected <= {one["file"] for one in files}
        assert len(files) >= len(NAMES) + 8
        views = [f"/view/default/{one['file_id']}?q=glue&span=0-9" for one in files]
        views += ["/?q=glue", "/?q=glue&mode=lexical", "/?show=collections", "/?show=lab"]
        views += ["/?show=map&q=glue", "/?show=dimensions&q=glue", "/?show=operations"]
        for view in views:
            tab.goto(url + view)
            tab.wait_for_selector("main :is(.band, .bands .idle, .hit, .shelf, .moving li, .tiles)")
            for summary in tab.locator("main summary").all():
                summary.click()
            tab.wait_for_timeout(150)  # for whatever would still start
            assert tab.url.startswith(url)
            assert tab.evaluate("window.pwned") is None
            assert tab.locator("main :is(script, img[src=x], object, embed)").count() == 0
        assert visit.others(url) == []
        assert asked == []
