"""Mails, tables, data, notebooks and pages of text are read as people see them."""

import orjson
import pytest

from bindery.documents import read

HEAD = "From: a@x.org\nSubject: Outer\nMIME-Version: 1.0\n"


def mail(kind: str, *parts: str, head: str = HEAD) -> bytes:
    body = "".join(f"--b\n{part}\n" for part in parts)
    return f"{head}Content-Type: multipart/{kind}; boundary=b\n\n{body}--b--\n".encode()


def text(words: str, kind: str = "plain", more: str = "") -> str:
    return f"Content-Type: text/{kind}\n{more}\n{words}"


def body_of(data: bytes) -> str:
    return read(data, "x.eml").text.removeprefix("# Outer\n\nFrom: a@x.org").strip()


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (mail("mixed", text("<p>First", "html"), text("footer")), "First\n\nfooter"),
        (mail("alternative", text(" "), text("<p>Words", "html")), "Words"),
        (mail("alternative", text("<b>no</b>", "html"), text("plain")), "plain"),
        (
            mail("mixed", text("See."), f"Content-Type: message/rfc822\n\n{HEAD}\nInner."),
            "See.\n\n## Outer\n\nFrom: a@x.org\n\nInner.",
        ),
        (
            mail("mixed", text("a"), "Content-Type: image/png\n\nx", text("b")),
            "a\n\nb",
        ),
        (mail("digest", f"\n{HEAD}\nOne."), "## Outer\n\nFrom: a@x.org\n\nOne."),
    ],
)
def test_all_text_of_a_message_is_read(data, body):
    assert body_of(data) == body


@pytest.mark.parametrize(
    ("charset", "codec", "words"),
    [
        ("iso-8859-1", "cp1252", "“hello” – 5 €"),
        ("cp1252", "cp1252", "Grüße – “ja”"),
        ("x-sjis", "cp932", "日本語"),
        ("iso-8859-8-i", "iso8859-8", "שלום"),
        ("iso-8859-6-e", "iso8859-6", "سلام"),
    ],
)
def test_charsets_of_messages_are_those_of_browsers(charset, codec, words):
    head = f"{HEAD}Content-Type: text/plain; charset={charset}\n\n"
    assert body_of(head.encode() + words.encode(codec)) == words


def test_a_message_in_utf_16_and_attachments():
    assert body_of(f"{HEAD}\nwords é".encode("utf-16")) == "words é"
    attached = text("words", more='Content-Disposition: attachment; filename="a.txt"\n')
    document = read(mail("mixed", text("See."), attached, text("x", "calendar")), "x.eml")
    assert document.warnings == ("Attachments were not read: a.txt, text/calendar.",)


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("a;b\n" + "0,5;0,25\n" * 9, "| 0,5 | 0,25 |"),
        ("0,5;0,25\n" * 9, "| 0,5 | 0,25 |"),
        ('name;note\nA;"x, y, z"\nB;"p, q, r"\n', "| A | x, y, z |"),
        ("sep=;\na;b\n1;2\n", "| a | b |"),
        ("a,b,c\n1,2,3\n4,5,6\n", "| 4 | 5 | 6 |"),
        ("name\tage\nA B\t5\nC, D\t6\n", "| C, D | 6 |"),
    ],
)
def test_the_delimiter_of_a_table(table, row):
    read_table = read(table.encode(), "x.csv").text
    assert row in read_table
    assert "sep=" not in read_table


def test_json_keeps_numbers_keys_and_letters():
    written = '{"n":12345678901234567890123,"p":1.10,"k":[],"k":[1,{"a":2}],"x":"' + "a " * 2000
    document = read((written + '\\u4f60 \\ud83d\\ude00 \\\\u4f60 \\u0007"}').encode(), "x.json")
    assert document.text.startswith(
        '{\n  "n": 12345678901234567890123,\n  "p": 1.10,\n  "k": [],\n  "k": [\n    1,\n    {\n'
        '      "a": 2\n    }\n  ],\n  "x": "a a '
    )
    assert document.text.endswith('你 😀 \\\\u4f60 \\u0007"\n}')
    assert read(b'{"a": "\\u4f60"}', "x.jsonl").text == '{"a": "你"}'


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        (
            {"traceback": ["\x1b[0;31mError\x1b[0m: bad", "line two"]},
            "```\nError: bad\nline two\n```",
        ),
        ({"text": ["10%\r50%\r100%\n", "done"]}, "```\n100%\ndone\n```"),
        (
            {"data": {"text/plain": "<IPython.core.display.HTML object>", "text/html": "<p>Hi"}},
            "Hi",
        ),
        ({"data": {"text/plain": "<X>", "text/markdown": "**bold**"}}, "**bold**"),
        ({"data": {"text/plain": "2", "text/html": "<p>2"}}, "```\n2\n```"),
    ],
)
def test_results_of_notebooks(output, shown):
    cells = [{"cell_type": "code", "source": "x", "outputs": [output]}]
    document = read(orjson.dumps({"cells": cells, "nbformat": 4}), "x.ipynb")
    assert document.text.removeprefix("```\nx\n```").strip() == shown


@pytest.mark.parametrize(
    ("source", "headings"),
    [
        ("---\n\n# Title\n\ntext\n\n## Sub", ["# Title", "## Sub"]),
        ("---\ntitle: x\n---\n# A", ["# A"]),
        ("+++\ntitle = 'x'\n# no\n+++\n# A", ["# A"]),
        ("# A\n\n<!--\n# no\n-->\n\n<pre>\n# no\n\n# no\n</pre>\n\n# B", ["# A", "# B"]),
        ("$$\n# no\n$$\n# A", ["# A"]),
        ("<div>\n# no\n\n# A", ["# A"]),
        ("<!-- one line -->\n# A", ["# A"]),
        ("word " * 100 + "\n=\n", []),
    ],
)
def test_headings_of_markdown(source, headings):
    document = read(source.encode(), "x.md")
    found = [document.quote(block.span) for block in document.blocks if block.kind == "heading"]
    assert found == headings


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ("---\ntitle: 'Of books'\n---\ntext", "Of books"),
        ("# Of books", "Of books"),
        ("# 0001018724-18-000005", ""),
        ("---\ntitle: untitled\n---\n", ""),
        ("word " * 500 + "\n\n# Far down", ""),
    ],
)
def test_titles_come_from_the_beginning(source, title):
    assert read(source.encode(), "x.md").title == title


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        (
            "<table><tr><th>a<th>b<tr><td>1<td rowspan=2>2<tr><td>3<tr><td>4<td>5</table>",
            "| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 |  |\n| 4 | 5 |",
        ),
        ("<h2><div>Boxed</div></h2>text<h3><p>In a p</p></h3>", "## Boxed\n\ntext\n\n### In a p"),
        ("<pre>a<br>b</pre>", "```\na\nb\n```"),
        ("<pre><div>a</div><div>b</div></pre>", "```\na\nb\n```"),
        ('<ol><li value="5">five<li>six</ol>', "5. five\n6. six"),
        ('<ol type="a"><li>x</ol>', "a. x"),
        ("10<sup>6</sup> m<sup>2</sup> H<sub>2</sub>O 1<sup>st</sup>", "10^6 m^2 H_2O 1st"),
        ('<p>seen<p hidden>no<div style="display: none"><p>no</div>', "seen"),
        ("<math><semantics><mi>x</mi><annotation>TeX</annotation></semantics></math>", "x"),
        ("<svg><text>one</text><text>two</text></svg>", "one two"),
    ],
)
def test_what_a_browser_shows(page, shown):
    assert read(page.encode(), "x.html").text == shown


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (
            r"{\fonttbl{\f0 Arial;}{\f1\fcharset204 Arial Cyr;}}{\f1 \'cf\'f0\'e8\'e2\'e5\'f2}",
            "Привет",
        ),
        (r"{\fonttbl{\f3\fcharset2 Symbol;}}x {\f3 \'b3} 3", "x ≥ 3"),
        (r"{\fonttbl{\f2\fcharset128 Gothic;}}\f2 \'93\'fa\'96\'7b", "日本"),
        (r"\u20320?\u22909?{\*\unknown {\b hidden}} \'e9", "你好 é"),
        (r"{\uc2\u8364\'80\'80}{\uc0\u8364}", "€€"),
        (r"seen{\v hidden} and \'93quoted\'94", "seen and “quoted”"),
        (
            r"\trowd a\cell b\cell\row\trowd 1\cell 2\cell\row\pard after\par",
            "| a | b |\n| --- | --- |\n| 1 | 2 |\n\nafter",
        ),
        (r"text\chftn{\footnote \chftn A note.} on\par end", "text[^1] on\n\nend\n\n[^1]: A note."),
        (r"{\field{\*\fldinst HYPERLINK x}{\fldrslt a link}}{\bin4 \{}}}}x", "a linkx"),
        (r"{\object{\*\objdata 00}{\result shown}}", "shown"),
    ],
)
def test_text_of_rtf(source, shown):
    assert read(rf"{{\rtf1\ansi\ansicpg1252 {source}}}".encode(), "x.rtf").text == shown


def test_what_rtf_leaves_out_is_named():
    source = (
        rb"{\rtf1{\info{\title Of books}{\author no}}{\header no}{\pict 00}{\*\annotation no}a}"
    )
    document = read(source, "x.rtf")
    assert (document.text, document.title) == ("a", "Of books")
    assert document.warnings == ("These were not read: pictures, headers and footers, comments.",)
