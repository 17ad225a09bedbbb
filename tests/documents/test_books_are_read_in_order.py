"""Books: odd spines, items of other types, and what is named because it was not read."""

import pytest
from tests.documents.samples import archive

from bindery.documents import read

PAGE = "application/xhtml+xml"


def book(items: dict[str, tuple[str, str, str]], spine: str, title: str = "") -> bytes:
    """A book with items by id: each a path, a type and a text, and other attributes after it."""
    listed = "".join(
        f'<item id="{key}" href="{path}" media-type="{kind}"/>'
        for key, (path, kind, _) in items.items()
    )
    named = "".join(f'<itemref idref="{key}"/>' for key in spine)
    return archive(
        {
            "META-INF/container.xml": (
                b'<c><rootfile full-path="a.pdf" media-type="application/pdf"/><rootfile '
                b'full-path="o/b.opf" media-type="application/oebps-package+xml"/></c>'
            ),
            "o/b.opf": (
                f"<package>{title}<manifest>{listed}</manifest><spine>{named}</spine></package>"
            ).encode(),
            **{
                "o/" + path.partition('"')[0].replace("%20", " ").lower(): text.encode()
                for path, _, text in items.values()
            },
        }
    )


@pytest.mark.parametrize(
    ("items", "spine", "text", "warnings"),
    [
        (
            {
                "a": ("a%20b.xhtml", PAGE, "<p>A</p>"),
                "b": ("B.HTML", "text/html", "<p>B</p>"),
                "c": ("c.xml", "application/xml", "<p>C</p>"),
                "d": ("d.svg", "image/svg+xml", "<svg><text>D</text></svg>"),
                "e": ("e.dtb", "application/x-dtbook+xml", "<level1><h1>E</h1></level1>"),
            },
            "abacde",
            "A\n\nB\n\nC\n\nD\n\n# E",
            (),
        ),
        (
            {"a": ("a.pdf", "application/pdf", "%PDF-"), "b": ("b.xhtml", PAGE, "<p>B</p>")},
            "ab",
            "B",
            ("These parts were not read: o/a.pdf.",),
        ),
        (
            {
                "a": ('a.pdf" fallback="b', "application/pdf", "%PDF-"),
                "b": ("b.xhtml", PAGE, "<p>B</p>"),
            },
            "a",
            "B",
            ("These parts were not read: o/a.pdf.",),
        ),
        (
            {
                "n": ('n.xhtml" properties="nav', PAGE, "<p>Contents</p>"),
                "a": ("a.xhtml", PAGE, "<p>A</p>"),
            },
            "",
            "A",
            (),
        ),
        (
            {"a": ("a.xhtml", PAGE, "<!DOCTYPE html [<!ENTITY x 'y'>]><html><p>A</p></html>")},
            "a",
            "A",
            (),
        ),
    ],
)
def test_odd_spines(items, spine, text, warnings):
    document = read(book(items, spine), "x.epub")
    assert document.text == text
    assert document.warnings == warnings


def test_the_first_title_with_words_counts():
    made = book({"a": ("a.xhtml", PAGE, "<p>A</p>")}, "a", "<title/><Title>Old books</Title>")
    assert read(made, "x.epub").title == "Old books"
