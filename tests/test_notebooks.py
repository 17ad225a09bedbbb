"""The notebooks run, and what notebooks show of our objects is escaped."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.homes import home_with
from tests.notebooks import FOLDER

from bindery.search.answers import Hit, SearchAnswer
from bindery.types import Chunk, Chunks, Span

HOSTILE = "<script>alert(1)</script> & \"quoted\" <img src=x onerror='alert(2)'>"


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_notebook_runs(path: Path, minilm_folder: Path, tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; from tests.notebooks import run; import json, sys; "
        "print(json.dumps(run(Path(sys.argv[1]))))"
    )
    home = home_with(minilm_folder, tmp_path / "home")

    ended = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", script, path],
        capture_output=True,
        text=True,
        cwd=FOLDER.parent.parent,
        env=os.environ | {"BINDERY_HOME": str(home), "PYTHONPATH": str(FOLDER.parent.parent)},
    )

    assert ended.returncode == 0, ended.stderr
    assert "<table>" in ended.stdout


def _assert_harmless(shown: str) -> None:
    assert "<script" not in shown
    assert "<img" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;quoted&quot;" in shown


def test_chunks_are_shown_as_a_table() -> None:
    chunk = Chunk(Span(0, len(HOSTILE)), HOSTILE, 7, page=3, headings=("<b>Heading</b>",))

    shown = Chunks([chunk, chunk])._repr_html_()

    _assert_harmless(shown)
    assert shown.count("<tr>") == 3
    assert "<td>3</td>" in shown
    assert "&lt;b&gt;Heading" in shown


def test_hits_are_shown_with_marked_words() -> None:
    marked = (Span(HOSTILE.index("quoted"), HOSTILE.index("quoted") + 6),)
    hit = Hit("1", "<i>.md", HOSTILE, Span(0, 9), 0.5, {}, {}, marks=marked, page=3, last_page=4)
    answer = SearchAnswer(
        query="<u>q</u>", collection="c", mode="hybrid", hits=(hit,), stages=(), searched=1,
        is_exact=True, model="m", revision="", precision="f32", generation=1,
    )  # fmt: skip

    shown = answer._repr_html_()

    assert "<mark>quoted</mark>" in shown
    assert "<td>3-4</td>" in shown
    assert "&lt;i&gt;.md" in shown
    assert "&lt;u&gt;q&lt;/u&gt;" in shown
    _assert_harmless(shown.replace("<mark>", "").replace("</mark>", ""))
