"""Small pages, mails and tables of kinds that readers get wrong, and what people see in them."""

import base64

import orjson
import pytest
from tests.documents.test_texts_lose_nothing import HEAD, body_of, mail, text

from bindery.documents import read
from bindery.documents.formats.encoding import codec_of


def page(body: str) -> str:
    return read(f"<!doctype html><body>{body}".encode(), "x.html").text


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        # Tables
        (
            "<table><tr><td rowspan=0>a<td>b<tr><td>c<tbody><tr><td>d<td>e</table>",
            "| a | b |\n| --- | --- |\n|  | c |\n| d | e |",
        ),
        (
            "<table><tr><td>a<td rowspan=9>b<tbody><tr><td>c<td>d</table>",
            "| a | b |\n| --- | --- |\n| c | d |",
        ),
        (
            "<table><tfoot><tr><td>sum<td>3</tfoot><tr><th>a<th>b<tr><td>1<td>2</table>",
            "| a | b |\n| --- | --- |\n| 1 | 2 |\n| sum | 3 |",
        ),
        (
            "<table><tr><td>10<sup>6</sup><td>CO<sub>2</sub></table>",
            "| 10^6 | CO_2 |\n| --- | --- |",
        ),
        # Preformatted text
        ("<pre>a<i hidden>no</i>b</pre>", "```\nab\n```"),
        ("<pre><ol><li>one<li>two</ol></pre>", "```\none\ntwo\n```"),
        ("<pre>10<sup>6</sup></pre>", "```\n10^6\n```"),
        # Superscripts and formulas
        ("<p>x<sup>2n+1</sup> a<sub>i,j</sub> 21<sup>st</sup>", "x^2n+1 a_i,j 21st"),
        ("<h2>CO<sub>2</sub> and 10<sup>6</sup></h2>", "## CO_2 and 10^6"),
        (
            "<p><math><mfrac><mn>1</mn><mn>2</mn></mfrac> <msup><mi>y</mi><mn>2</mn></msup>"
            "<msubsup><mi>a</mi><mi>i</mi><mn>2</mn></msubsup></math>",
            "1/2 y^2a_i^2",
        ),
        # Hidden text
        ("<dialog>no</dialog><dialog open>yes</dialog>", "yes"),
        ("<p>a<video>no</video><canvas>no</canvas><audio>no</audio>b", "ab"),
        ("<p style='color:red; DISPLAY : none'>no<p>yes", "yes"),
        # Lists
        ("<ol reversed><li>b<li>a</ol>", "2. b\n1. a"),
        ("<ol start=5 reversed><li>five<li>four</ol>", "5. five\n4. four"),
        ("<ol><li value=-1>a<li>b</ol>", "-1. a\n0. b"),
        ("<button>one</button><button>two</button>", "one two"),
        ("<svg><text>2019</text><text>2020</text></svg>", "2019 2020"),
    ],
)
def test_pages(body, seen):
    assert page(body) == seen


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        ("<script a='x > y'/><p>one</p>", "one"),
        ('<p title="a > b"/><p>two</p>', "two"),
        ("<p><![CDATA[a & <b>]]></p>", "a & <b>"),
        ("<textarea/><div/><p>three</p>", "three"),
    ],
)
def test_pages_in_xml(body, seen):
    made = f"<?xml version='1.0'?><html><body>{body}</body></html>"
    assert read(made.encode(), "x.xhtml").text == seen


def encoded(inner: str) -> str:
    return base64.b64encode(inner.encode()).decode()


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (
            mail("alternative", text("See it."), text("<p>" + "long " * 20, "html")),
            "long " * 20,
        ),
        (
            mail("alternative", text("a"), text("<style>b c d e f</style><p>a", "html")),
            "a",
        ),
        (
            mail(
                "mixed",
                "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n"
                + encoded(f"{HEAD}\nInner."),
            ),
            "## Outer\n\nFrom: a@x.org\n\nInner.",
        ),
        (
            mail(
                "report",
                text("Failed."),
                "Content-Type: message/delivery-status\n\nAction: failed\n\nStatus: 5.1.1\n",
            ),
            "Failed.\n\nAction: failed\n\nStatus: 5.1.1",
        ),
        (mail("mixed", text(r"{\rtf1 rich}", "rtf")), "rich"),
        (mail("mixed", text("<bold>rich</bold>", "enriched")), "rich"),
        (f"{HEAD}Content-Type: multipart/mixed\n\nNo boundary.".encode(), "No boundary."),
    ],
)
def test_mails(data, body):
    assert body_of(data) == body.strip()


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_headers_of_mails_with_bare_letters(encoding):
    document = read("Subject: Grüße\nFrom: Jürgen <a@x.org>\n\nwords".encode(encoding), "x.eml")
    assert document.text == "# Grüße\n\nFrom: Jürgen <a@x.org>\n\nwords"


def test_mails_of_a_mailbox_begin_with_a_date():
    sample = (
        "From a@x.org Mon Jan  1 00:00:00 2024\nSubject: A\n\nwords\n\nFrom the start, words\n\n"
        "From b@x.org Mon Jan  1 00:00:00 2024\nSubject: B\n\nmore\n"
    )
    document = read(sample.encode(), "x.mbox")
    assert document.text == "## A\n\nwords\n\nFrom the start, words\n\n## B\n\nmore"
    assert document.warnings == ()


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("windows-31j", "cp932"),
        ("iso88592", "iso8859_2"),
        ("ISO-8859-6-E", "iso8859_6"),
        ("visual", "iso8859_8"),
        ("x-mac-ukrainian", "mac_cyrillic"),
        ("x-x-big5", "big5hkscs"),
        ("gb_2312-80", "gb18030"),
        ("ks_c_5601-1989", "cp949"),
        ("dos-874", "cp874"),
        ("cp-850", "cp850"),
        ("unicode-1-1-utf-7", "utf_7"),
        ("no-such", None),
    ],
)
def test_labels_of_encodings(label, codec):
    assert codec_of(label) == codec


@pytest.mark.parametrize(
    ("source", "rows"),
    [
        ('"sep=;"\na;b\n1;2', ["a | b", "1 | 2"]),
        ("sep=\t\na\tb\n1\t2", ["a | b", "1 | 2"]),
        ("text\nHello, world\nBye", ["text", "Hello, world", "Bye"]),
        ("date;time;v\n1 Jan;10:00;1,5\n2 Jan;11:00;2", ["date | time | v", "1 Jan | 10:00 | 1,5"]),
        ("item;price\nA;1,000,000\nB;2,000,000", ["item | price", "A | 1,000,000"]),
        ('a,b\n"x;y",1\n"z;w",2', ["a | b", "x;y | 1"]),
        ("na\tme,x\nfo\to,1\nba\tr,2", ["na me | x", "fo o | 1"]),
        ('size\tn\n5" pipe\t1\n6" pipe\t2', ["size | n", '5" pipe | 1']),
        ("Report\n\nname,q1\nnorth,1\nsouth,2", ["Report | ", "name | q1"]),
    ],
)
def test_tables(source, rows):
    found = read(source.encode(), "x.csv").text.split("\n")
    del found[1]
    assert found[: len(rows)] == [f"| {row} |" for row in rows]


@pytest.mark.parametrize(
    ("source", "title", "kinds"),
    [
        ("---\n- list\n---\ntext", "", ["list_item", "paragraph"]),
        ("---\nJust text.\n---\n", "", ["heading"]),
        ("---\ntitle: >\n  Long\n  title\ndate: 1\n---\ntext", "Long title", ["code", "paragraph"]),
        ("---\ntitle: Short # why\n---\n", "Short", ["code"]),
        ("---\ntitle: 'A: B' # why\n---\n", "A: B", ["code"]),
        ("---\ntitle: Never closed\n\n# Head", "Head", ["paragraph", "heading"]),
        ("# Name {#id .class}\n", "Name", ["heading"]),
        ("one\n\ntwo\n =\n\nmore", "", ["paragraph", "heading", "paragraph"]),
        ("Name\n=\n\nmore", "Name", ["heading", "paragraph"]),
        ("# Untitled document", "", ["heading"]),
        ("# 550e8400-e29b-41d4-a716-446655440000", "", ["heading"]),
        ("# report.docx", "", ["heading"]),
        ("# Node.js", "Node.js", ["heading"]),
        ("``` not `code\n# Head", "Head", ["paragraph", "heading"]),
        ("- a\n  ```\n  # no\n  ```", "", ["list_item", "code"]),
    ],
)
def test_titles_and_blocks_of_markdown(source, title, kinds):
    document = read(source.encode(), "x.md")
    assert document.title == title
    assert [block.kind for block in document.blocks] == kinds
    assert document.text == source


def test_tables_and_bad_titles_of_restructuredtext():
    source = (
        "Untitled\n========\n\n+---+\n| a |\n+---+\n\n=== ===\na   b\n=== ===\n1   2\n=== ===\n"
    )
    document = read(source.encode(), "x.rst")
    assert [block.kind for block in document.blocks] == ["heading", "table", "table"]
    assert document.title == ""


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        ({"text": "Epoch 1\b\b\b\b\b\b\b\bEpoch 2"}, "Epoch 2"),
        ({"text": " 10%\r 50%\r100%\ndone"}, "100%\ndone"),
        ({"text": "\x1b[2K\x1b[31mred\x1b[0m"}, "red"),
        ({"data": {"text/plain": "<x.Latex object>", "text/latex": "$x$"}}, "$x$"),
        ({"data": {"text/plain": "<x.Foo at 0x7f>"}}, "<x.Foo at 0x7f>"),
        ({"data": {"text/plain": "1", "text/html": "<b>one</b>"}}, "1"),
        ({"ename": "KeyError", "evalue": "'k'", "traceback": []}, "KeyError: 'k'"),
        ({"ename": "E", "evalue": "x", "traceback": ["\x1b[31mE\x1b[0m: x", "line"]}, "E: x\nline"),
    ],
)
def test_results_of_notebooks(output, shown):
    cell = {"cell_type": "code", "source": "", "outputs": [output]}
    assert read(orjson.dumps({"cells": [cell]}), "x.ipynb").text == f"```\n{shown}\n```"


def test_charts_of_notebooks_are_counted():
    output = {"data": {"application/vnd.plotly.v1+json": {}, "text/html": "<script>x</script>"}}
    cell = {"cell_type": "code", "source": "x", "outputs": [output]}
    document = read(orjson.dumps({"cells": [cell]}), "x.ipynb")
    assert document.warnings == ("Pictures among the results were not read: 1.",)


FONTS = (
    r"{\fonttbl{\f0\fcharset0 A;}{\f1\fcharset204 B;}{\f2\fcharset128 C;}{\f3\fcharset2 Symbol;}"
    r"{\f4\fcharset238 D;}{\f5\fcharset177 E;}}"
)


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        (FONTS + r"\f0 caf\'e9\f1 \'cf\'f0\f2 \'93\'fa\'83A\f3 a\f4 \'f8\f5 \'e0", "caféПр日アαřא"),
        (r"{\*\unknown no {nested} {\*\x no}}yes", "yes"),
        (r"\uc1\u8364?\uc2\u233\'c3\'a9x{\uc0\u233 y}", "€éxéy"),
        (r"\u-10179?\u-8704?", "😀"),
        (r"{\listtext 1.\tab}one\par{\pntext\'b7\tab}two\par three", "1. one\n- two\n\nthree"),
        (
            r"{\stylesheet{\s1 heading 1;}{\s7\outlinelevel1 Mine;}}\s1 A\par\pard\s7 B\par\pard C",
            "# A\n\n## B\n\nC",
        ),
        (r"{\shp{\*\shpinst{\shptxt box\par}}{\shprslt box}}after", "box\n\nafter"),
        (r"a{\v no}b\v no\v0 c{\deleted no}", "abc"),
        (r"a{\footnote the note\par}b", "a[^1]b\n\n[^1]: the note"),
        (r"\trowd\intbl a\cell b|c\cell\row\pard d", "| a | b\\|c |\n| --- | --- |\n\nd"),
        (r"10{\super 6} H{\sub 2}O 1{\super st} x\super 2\nosupersub y", "10^6 H_2O 1st x^2y"),
        (r"\ansicpg99999\fcharset999 a\'e", "ae"),
        (r"}} a } b \\", "a  b \\"),
    ],
)
def test_rich_texts(source, seen):
    assert read((r"{\rtf1\ansi\ansicpg1252 " + source + "}").encode(), "x.rtf").text == seen
