"""Pages: a page, slide or sheet is a chunk, or several."""

from dataclasses import replace

from bindery.chunking import boundaries
from bindery.chunking.outline import Outline, Source
from bindery.chunking.recursive import recursive


def page(source: Source) -> Outline:
    """Cut as ``recursive`` does, and wherever a page begins.

    A document without pages is one.
    """
    return replace(recursive(source), walls=boundaries.pages(source.document, source.characters))
