"""Mailboxes, subtitles, feeds, articles, outlines, reStructuredText, Org and slides."""

import struct

import pytest
from tests.documents.ole_samples import ole_file
from tests.documents.samples import archive, eml_sample, msg_texts, odp_sample

from bindery.documents import read
from bindery.documents.formats.msg import decompressed
from bindery.errors import UnsupportedKind


def blocks(document):
    return [(block.kind, block.level, document.quote(block.span)) for block in document.blocks]


def test_a_mailbox_is_all_its_messages():
    one = eml_sample().replace(b"\r\n", b"\n") + b"\n>From here on, all is quoted.\n\n"
    two = b"From: c@example.org\nSubject: Second\n\nAnother message.\n"
    line = b"From x@example.org Mon Nov  2 10:00:00 2026\n"
    document = read(line + one + line + two, "all.mbox")
    headings = [text for kind, _, text in blocks(document) if kind == "heading"]
    assert headings == ["## The binding of books", "## Second"]
    assert "\nFrom here on, all is quoted." in document.text
    assert document.title == ""
    assert document.warnings == ()


def test_a_message_of_outlook_has_its_subject_as_title():
    document = read(ole_file(msg_texts("Größe", "Zwei\r\nZeilen")), "x.msg")
    assert document.text == "# Größe\n\nZwei\nZeilen"
    assert document.title == "Größe"
    assert document.warnings == ()


def test_messages_within_a_message_of_outlook_are_read_and_other_attachments_named():
    properties = "__properties_version1.0"
    third = {properties: bytes(8), "__substg1.0_3701000D": msg_texts("Third", "in it", 24)}
    inner = {**msg_texts("Second", "words", 24), "__attach_version1.0_#00000000": third}
    name = {properties: bytes(8) + struct.pack("<HHIII", 0x001F, 0x3001, 6, 12, 0)}
    outer = {
        **msg_texts("First", "see below"),
        "__attach_version1.0_#00000000": {properties: bytes(8), "__substg1.0_3701000D": inner},
        "__attach_version1.0_#00000001": {
            **name,
            "__substg1.0_3001001F": "a.pdf".encode("utf-16-le"),
        },
    }
    document = read(ole_file(outer), "x.msg")
    assert document.text == ("# First\n\nsee below\n\n## Second\n\nwords\n\n### Third\n\nin it")
    assert document.warnings == ("Attachments were not read: a.pdf.",)


# The first example of [MS-OXRTFCP], section 4.1.1.
COMPRESSED = bytes.fromhex(
    "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af32068656c0900206277"
    "05b06c647d0a800fa0"
)


def test_a_message_of_outlook_with_its_text_as_rtf_alone():
    assert decompressed(COMPRESSED) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    stored = struct.pack("<II4sI", 0, 9, b"MELA", 0) + b"{\\rtf1 a}"
    assert decompressed(stored) == b"{\\rtf1 a}"
    texts = msg_texts("On", " ")
    texts["__properties_version1.0"] += struct.pack("<HHIII", 0x0102, 0x1009, 6, 49, 0)
    made = ole_file({**texts, "__substg1.0_10090102": COMPRESSED})
    assert read(made, "x.msg").text == "# On\n\nhello world"


@pytest.mark.parametrize("data", [b"short", COMPRESSED[:16] + b"\xff" * 20])
def test_damaged_compressed_rtf_is_an_error(data):
    with pytest.raises(ValueError, match="compressed RTF"):
        decompressed(data)


@pytest.mark.parametrize(
    ("cues", "text"),
    [
        ("1:00.000 --> 1:01.000\nso we\n\n1:01.100 --> 1:02.000\nbegin", "so we\nbegin"),
        ("1:00.000 --> 1:01.000\nso\n\n1:09.000 --> 1:10.000\nlater", "so\n\nlater"),
        (
            "1:00.000 --> 1:01.000 align:start\n<v Ann>Yes &amp; no\n\n"
            "1:01.000 --> 1:02.000\n<v Bob><i>Why?</i>",
            "Ann: Yes & no\n\nBob: Why?",
        ),
        (
            "1:00.000 --> 1:01.000\nroll\nover\n\n1:01.000 --> 1:02.000\nover\n<00:61.500>again",
            "roll\nover\nagain",
        ),
        ("NOTE not shown\nat all\n\nlabel\n1:00.000 --> 1:01.000\nshown", "shown"),
    ],
)
def test_subtitles_are_what_is_said(cues, text):
    assert read(f"WEBVTT - Talk\n\n{cues}\n".encode(), "x.vtt").text == text
    assert read(f"WEBVTT - Talk\n\n{cues}\n".encode(), "x.vtt").title == "Talk"


def test_titles_of_restructuredtext_have_levels_by_their_first_use():
    source = (
        "=====\nGuide\n=====\n\nInstall\n-------\nRun this::\n\n    Not a "
        "title\n    -----------\n\n"
        "Details\n~~~~~~~\n\nWords.\n\nUse\n---\n\n.. code-block:: python\n\n "
        "  x = 1\n\n1. one\n2. two\n"
    )
    document = read(source.encode(), "guide.rst")
    found = [(block.level, document.quote(block.span)) for block in document.blocks if block.level]
    assert found == [
        (1, "=====\nGuide\n====="),
        (2, "Install\n-------"),
        (3, "Details\n~~~~~~~"),
        (2, "Use\n---"),
    ]
    assert document.title == "Guide"
    assert document.text == source
    code = [text for kind, _, text in blocks(document) if kind == "code"]
    assert code == ["    Not a title\n    -----------", ".. code-block:: python", "   x = 1"]
    assert [kind for kind, _, _ in blocks(document)][-2:] == ["list_item", "list_item"]


def test_code_in_org_has_no_headings():
    source = (
        "#+TITLE: Notes\n\n* TODO First :tag:\ntext\n| a | b |\n#+begin_src "
        "sh\n* not one\n#+end_src\n"
        "** Below\n- item\n"
    )
    document = read(source.encode(), "notes.org")
    assert document.title == "Notes"
    assert blocks(document) == [
        ("paragraph", 0, "#+TITLE: Notes"),
        ("heading", 1, "* TODO First :tag:"),
        ("paragraph", 0, "text"),
        ("table", 0, "| a | b |"),
        ("code", 0, "#+begin_src sh\n* not one\n#+end_src"),
        ("heading", 2, "** Below"),
        ("list_item", 0, "- item"),
    ]


def test_an_article_is_read_by_its_sections():
    source = (
        "<?xml version='1.0'?>\n<!DOCTYPE article PUBLIC '-//NLM//DTD JATS' 'JATS.dtd'>\n"
        "<article article-type='research-article'><front><article-meta>"
        "<article-id>42</article-id><title-group><article-title>On <italic>paper"
        "</italic></article-title></title-group><contrib-group><contrib><name>"
        "<surname>Roe</surname>"
        "<given-names>Jo</given-names></name></contrib></contrib-group><abstract><p>Short.</p>"
        "</abstract></article-meta></front><body><sec><label>1</label><title>Methods</title>"
        "<p>Long<xref>1</xref>.</p><sec><title>Data</title><table-wrap><label>Table 1</label>"
        "<caption><title>Counts</title></caption><table><tr><th>a</th><th>b</th></tr><tr><td>1</td>"
        "<td>2</td></tr></table></table-wrap></sec></sec></body><back><ref-list><ref>"
        "<mixed-citation>Doe 2020.</mixed-citation></ref></ref-list></back></article>"
    )
    document = read(source.encode(), "x.xml")
    assert (document.kind, document.title) == ("jats", "On paper")
    assert document.text == (
        "# On paper\n\nRoe Jo\n\n## Abstract\n\nShort.\n\n## 1 Methods\n\nLong1.\n\n### Data\n\n"
        "Table 1\n\nCounts\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n## References\n\nDoe 2020."
    )


def test_feeds_hold_html_escaped_or_not():
    rss = (
        "<rss version='2.0' xmlns:content='http://purl.org/rss/1.0/modules/content/'><channel>"
        "<title>News</title><description>Of books</description><item><title>A &amp;amp; B</title>"
        "<pubDate>Mon, 02 Nov 2026</pubDate><description>short</description><content:encoded>"
        "<![CDATA[<p>The <b>whole</b> text</p><ul><li>one</li></ul>]]></content:encoded></item>"
        "</channel></rss>"
    )
    document = read(rss.encode(), "news")
    assert document.text == (
        "# News\n\nOf books\n\n## A & B\n\nMon, 02 Nov 2026\n\nThe whole text\n\n- one"
    )
    atom = (
        "<feed xmlns='http://www.w3.org/2005/Atom'><title>Log</title><entry><title>E</title>"
        "<content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'><p>x</p><p>y</p></div>"
        "</content></entry><entry><title>F</title><content type='text'>1 &lt; 2</content></entry>"
        "</feed>"
    )
    assert read(atom.encode(), "log.atom").text == "# Log\n\n## E\n\nx\n\ny\n\n## F\n\n1 < 2"


def test_an_outline_is_nested_lists():
    source = (
        "<opml><head><title>Plan</title></head><body><outline text='A'><outline text='B' "
        "_note='why'/></outline><outline text='C'/></body></opml>"
    )
    assert read(source.encode(), "p.opml").text == "# Plan\n\n- A\n  - B\n    why\n- C"


def test_data_in_xml_is_its_text_and_other_xml_is_as_written():
    data = (
        "<?xml version='1.0' encoding='UTF-8'?>\n<factbook><country name='Andorra'>"
        "<capital>Andorra la Vella</capital><economy>Tourism is the mainstay "
        "of this small country.</economy>"
        "</country></factbook>"
    )
    document = read(data.encode(), "facts.xml")
    assert document.text == (
        "# factbook\n\n## Andorra\n\ncapital: Andorra la Vella\n"
        "economy: Tourism is the mainstay of this small country."
    )
    drawing = "<svg xmlns='http://www.w3.org/2000/svg'><path d='M 0 0 L 10 10 L 20 20'/></svg>"
    assert read(drawing.encode(), "x.svg").text == drawing


def test_slides_of_opendocument_begin_with_their_title():
    document = read(odp_sample(), "x.odp")
    assert document.text == (
        "## The binding of books\n\nLoose paper is lost.\n\nBound paper is kept.\n\nsaid"
    )
    assert [block.page for block in document.blocks if block.kind == "page"] == [1, 2]


def test_a_file_with_neither_text_nor_slides_is_refused():
    drawing = archive(
        {"mimetype": b"application/vnd.oasis.opendocument.graphics", "content.xml": b"x"}
    )
    with pytest.raises(UnsupportedKind, match="OpenDocument"):
        read(drawing, "x.odg")


def test_articles_have_blocks_in_paragraphs_and_no_glued_words():
    source = (
        "<article article-type='x'><front><article-meta><title-group><article-title>10<sup>6</sup>"
        "</article-title></title-group></article-meta></front><body><p>Before<list><list-item><p>one"
        "</p></list-item><list-item><p>two</p></list-item></list>after</p><code>a = 1\n  b</code>"
        "<speech><speaker>Ann</speaker><p>Yes.</p></speech><table><tr><td rowspan='2'>a</td><td>b"
        "</td></tr><tr><td>c</td></tr></table><unknown>Words.</unknown></body><back><ref-list><ref>"
        "<element-citation><surname>Doe</surname><year>2020</year></element-citation></ref>"
        "</ref-list></back></article>"
    )
    document = read(source.encode(), "x.xml")
    assert document.text == (
        "# 10^6\n\nBefore\n\n- one\n- two\n\nafter\n\n```\na = 1\n  b\n```\n\nAnn\n\nYes.\n\n"
        "| a | b |\n| --- | --- |\n|  | c |\n\nWords.\n\n## References\n\nDoe 2020"
    )
    assert document.warnings == ()


def test_titles_of_feeds_and_captions_are_those_that_people_see():
    feed = (
        "<feed xmlns='http://www.w3.org/2005/Atom'><title type='html'>A &amp;amp; B</title></feed>"
    )
    assert read(feed.encode(), "x.xml").title == "A & B"
    captions = "WEBVTT Kind: captions; Language: en\n\n00:01.000 --> 00:02.000\nwords\n"
    assert read(captions.encode(), "x.vtt").title == ""
    titled = captions.replace("Kind: captions; Language: en", "- A talk")
    assert read(titled.encode(), "x.vtt").title == "A talk"
