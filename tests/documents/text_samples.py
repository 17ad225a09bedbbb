"""Small documents of the kinds that are text, each with the same heading and two paragraphs."""

import orjson

HEADING, FIRST, SECOND = "The binding of books", "Loose paper is lost.", "Bound paper is kept."


def text_sample() -> bytes:
    return f"{HEADING}\n\n{FIRST}\n\n{SECOND}\n".encode()


def markdown_sample() -> bytes:
    return f"# {HEADING}\n\n{FIRST}\n\n- one\n- two\n\n{SECOND}\n".encode()


def html_sample() -> bytes:
    return (
        f"<!DOCTYPE html><html><head><title>t</title><script>no()</script></head><body>"
        f"<h1>{HEADING}</h1><p>{FIRST}<table><tr><th>a<th>b<tr><td>1<td>2</table>"
        f"<p>{SECOND}</body></html>"
    ).encode()


def rtf_sample() -> bytes:
    return rf"{{\rtf1\ansi\ansicpg1252 {HEADING}\par {FIRST}\par {SECOND}\par}}".encode()


def eml_sample() -> bytes:
    return (
        f"From: a@example.org\r\nTo: b@example.org\r\nSubject: {HEADING}\r\nMIME-Version: 1.0\r\n"
        f"Content-Type: text/plain; charset=utf-8\r\n\r\n{FIRST}\r\n\r\n{SECOND}\r\n"
    ).encode()


def mbox_sample() -> bytes:
    return b"From a@example.org Mon Nov  2 10:00:00 2026\n" + eml_sample().replace(b"\r\n", b"\n")


def rst_sample() -> bytes:
    line = "=" * len(HEADING)
    return f"{HEADING}\n{line}\n\n{FIRST}\n\n- one\n- two\n\n{SECOND}\n".encode()


def org_sample() -> bytes:
    return f"#+TITLE: Org\n\n* {HEADING}\n{FIRST}\n\n- one\n- two\n\n{SECOND}\n".encode()


def vtt_sample() -> bytes:
    return (
        f"WEBVTT\n\n00:01.000 --> 00:02.000\n<b>{HEADING}</b>\n\n00:05.000 --> 00:06.000\n{FIRST}\n"
        f"\n00:09.000 --> 00:10.000\n{SECOND}\n"
    ).encode()


def srt_sample() -> bytes:
    return (
        f"1\n00:00:01,000 --> 00:00:02,000\n{HEADING}\n\n"
        f"2\n00:00:05,000 --> 00:00:06,000\n{FIRST}\n\n"
        f"3\n00:00:09,000 --> 00:00:10,000\n{SECOND}\n"
    ).encode()


def jats_sample() -> bytes:
    return (
        '<?xml version="1.0"?>\n<article article-type="research-article"><front><article-meta>'
        f"<title-group><article-title>{HEADING}</article-title></title-group></article-meta></front>"
        f"<body><sec><title>Methods</title><p>{FIRST}</p><p>{SECOND}</p></sec></body></article>"
    ).encode()


def feed_sample() -> bytes:
    return (
        f'<?xml version="1.0"?>\n<rss version="2.0"><channel><title>{HEADING}</title>'
        f"<item><title>One</title><description>{FIRST}</description></item>"
        f"<item><title>Two</title><description>{SECOND}</description></item></channel></rss>"
    ).encode()


def opml_sample() -> bytes:
    return (
        f'<?xml version="1.0"?>\n<opml version="2.0"><head><title>{HEADING}</title></head><body>'
        f'<outline text="{FIRST}"><outline text="{SECOND}"/></outline></body></opml>'
    ).encode()


def ipynb_sample() -> bytes:
    cells = [
        {"cell_type": "markdown", "source": [f"# {HEADING}\n", "\n", FIRST]},
        {"cell_type": "code", "source": "1 + 1", "outputs": [{"data": {"text/plain": ["2"]}}]},
        {"cell_type": "markdown", "source": SECOND},
    ]
    return orjson.dumps({"cells": cells, "metadata": {}, "nbformat": 4})


def csv_sample() -> bytes:
    return f'number;text\n1;{HEADING}\n2;"{FIRST}"\n3;{SECOND}\n'.encode()


def json_sample() -> bytes:
    return orjson.dumps({"title": HEADING, "pages": [FIRST, SECOND]}, option=orjson.OPT_INDENT_2)


def jsonl_sample() -> bytes:
    return "".join(f'"{text}"\n' for text in (HEADING, FIRST, SECOND)).encode()


def xml_sample() -> bytes:
    return f"<?xml version='1.0'?>\n<b>{HEADING}</b>\n\n{FIRST}\n\n{SECOND}\n".encode()


def code_sample() -> bytes:
    return f'"""{HEADING}"""\n\nprint("{FIRST}")\n\n{SECOND}\n'.encode()
