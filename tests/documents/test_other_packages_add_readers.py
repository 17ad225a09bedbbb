"""A kind of another package: found by its entry point, read in the sandbox as our own are."""

import sys
import warnings

import pytest

from bindery.documents import READERS, Reader, read, readers
from bindery.documents.sandbox import client
from bindery.documents.sandbox.protocol import Request, SandboxLimits, unpack_document
from bindery.errors import InvalidValue

MODULE = """
from bindery.documents import Reader
from bindery.types import Block, Document, Span

ROW = Reader(
    function="bindery_scroll:read_scroll",
    media_types=("application/x-scroll",),
    extensions=(".scroll",),
    signatures=(b"SCROLL1",),
)
NOT_A_ROW = "text"

def read_scroll(data, name):
    text = data[7:].decode()
    return Document(text, "scroll", name, (Block("paragraph", Span(0, len(text))),))
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a package on the path that declares these entry points; the table is built anew."""

    def installed(*lines: str) -> None:
        (tmp_path / "bindery_scroll.py").write_text(MODULE)
        folder = tmp_path / "bindery_scroll-1.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: bindery-scroll\nVersion: 1\n"
        )
        (folder / "entry_points.txt").write_text("\n".join(["[bindery.readers]", *lines]))
        monkeypatch.syspath_prepend(tmp_path)
        readers.cache_clear()

    yield installed
    sys.modules.pop("bindery_scroll", None)
    readers.cache_clear()


def test_a_kind_of_another_package_is_read_in_the_sandbox(install):
    install("scroll = bindery_scroll:ROW")
    template = client.Template()
    try:
        request = Request("old.scroll", SandboxLimits(1 << 30, 30), b"SCROLL1in the beginning")
        document = unpack_document(template.ask(request, 30.0), "old.scroll")
    finally:
        template.close()
    assert (document.kind, document.text) == ("scroll", "in the beginning")
    assert document == read(b"SCROLL1in the beginning", "old.scroll")
    assert list(readers())[:-1] == [k for k, reader in READERS.items() if reader.is_installed]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("pdf = bindery_scroll:ROW", "'pdf' already exists"),
        ("png = bindery_scroll:ROW", "'png' already exists"),
        ("Scroll! = bindery_scroll:ROW", "lower-case letters and digits"),
        ("scroll = bindery_scroll:NOT_A_ROW", "must be a Reader, got a str"),
        ("scroll = bindery_scroll:MISSING", "no attribute 'MISSING'"),
        ("scroll = bindery_missing:ROW", "No module named 'bindery_missing'"),
    ],
)
def test_one_that_cannot_be_used_is_left_out_with_a_warning(install, line, reason):
    before = dict(readers())
    install(line)
    with pytest.warns(RuntimeWarning, match="bindery-scroll.* was not loaded") as caught:
        after = readers()
    assert reason in str(caught[0].message)
    assert dict(after) == before


def test_the_table_is_built_once(install):
    install("scroll = bindery_scroll:ROW")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert readers() is readers()


@pytest.mark.parametrize(
    "wrong", [{"function": "no colon"}, {"extensions": ("scroll",)}, {"signatures": (b"",)}]
)
def test_a_wrong_row_cannot_be_built(wrong):
    right = {"function": "a.b:c", "media_types": (), "extensions": (".scroll",)}
    with pytest.raises(InvalidValue):
        Reader(**right | wrong)
