"""Reads a document in this process."""

import re
from dataclasses import replace

from bindery.documents.detect import detect_kind, kind_by_name
from bindery.documents.formats.archive import check_archive
from bindery.documents.formats.builder import real_title
from bindery.documents.readers import readers
from bindery.errors import BinderyError, BrokenDocument, FileTooLarge
from bindery.types import Document

MAX_CHARACTERS = 50_000_000
"""The King James Bible has 4.4 million. More would not fit into the sandbox's largest answer."""

MAX_BLOCKS = 1_000_000
"""At about 200 bytes each, this is harmless for the calling process."""

_BEGINNING = 2_000
"""Characters: a heading further down is not the title of the document."""

_LONGEST_FIRST_TITLE = 200
_LEAST_UNDERLINE = 3
_ATTRIBUTES = re.compile(r"[ \t]*\{[#.:][^{}]*\}[ \t]*$")
"""Of Pandoc and others: # Title {#id .class}."""

_KINDS_OF_XML = frozenset({"jats", "feed", "opml", "html"})
_NUMBERED = re.compile(r"\d{1,2}(?:\.\d{1,2})*\.?\s")


def read(data: bytes, name: str) -> Document:
    """Read a document in this process, without the sandbox's limits of time and memory.

    ``name`` helps to tell one kind of text from another; otherwise it is only kept. A document
    without any words has an empty text and a warning.

    Raises only UnsupportedKind, BrokenDocument, PasswordProtected or FileTooLarge.
    """
    try:
        kind = detect_kind(data, name)
        reader = readers()[kind]
        if reader.member:  # before any library inflates it
            check_archive(data, name)
        document = reader.load()(data, name)
    except BinderyError:
        raise
    except MemoryError:
        raise BrokenDocument(
            f"Reading {name!r} needs more memory than the limit allows.",
            remedy="Split the document, or raise the limit if you trust its source.",
        ) from None
    except Exception as error:  # a hostile file can make a library raise anything
        raise BrokenDocument(
            f"{name!r} could not be read: {_reason(error)}.",
            remedy="It may be damaged: open it in the program that wrote it and save it again.",
        ) from error
    if not document.title:
        document = replace(document, title=first_title(document))
    claimed = kind_by_name(name)
    if claimed not in {None, kind} and not (claimed == "xml" and kind in _KINDS_OF_XML):
        warning = f"The file name says {claimed}, but the content is {kind}: it was read as {kind}."
        document = replace(document, warnings=(*document.warnings, warning))
    return _within_limits(document)


def first_title(document: Document) -> str:
    """The text of the first heading of level 1, if it is near the beginning; else "".

    A numbered heading ("1 Introduction") is that of a chapter, not a title.
    """
    first = next((block for block in document.blocks if block.level == 1), None)
    if first is None or first.span.start > _BEGINNING:
        return ""
    lines = document.quote(first.span).split("\n")
    if len(lines) > 1 and not lines[-1].strip("= \t"):
        is_stray = len(lines[-1].strip()) < _LEAST_UNDERLINE
        if is_stray and first is not document.blocks[0]:
            return ""
    named = (line for line in lines if any(map(str.isalnum, line)))
    words = _ATTRIBUTES.sub("", " ".join(named))
    title = " ".join(words.strip("# \t").split())
    if _NUMBERED.match(title) or len(title) > _LONGEST_FIRST_TITLE:
        return ""
    return real_title(title)


def _within_limits(document: Document) -> Document:
    for what, count, limit in (
        ("characters", len(document.text), MAX_CHARACTERS),
        ("blocks (paragraphs and others)", len(document.blocks), MAX_BLOCKS),
    ):
        if count > limit:
            raise FileTooLarge(
                f"{document.name!r} has {count:,} {what}; the limit is {limit:,}.",
                remedy="Split it into several documents.",
            )
    if not document.text.strip() and not document.warnings:
        return replace(document, warnings=("The document has no text.",))
    return document


def _reason(error: Exception) -> str:
    # Libraries quote the file in their messages, so only one printable line is kept.
    message = "".join(c if c.isprintable() else " " for c in str(error)[:200])
    return f"{type(error).__name__}: {message}" if message.strip() else type(error).__name__
