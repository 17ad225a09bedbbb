"""The document's own structure: a section is a chunk, or several."""

from dataclasses import replace

from bindery.chunking import boundaries
from bindery.chunking.outline import Outline, Source
from bindery.chunking.recursive import recursive


def markdown(source: Source) -> Outline:
    """Cut as ``recursive`` does, and at every heading, so that no chunk is of two sections.

    Headings are those of any document that has them, not of Markdown alone. A heading right under
    another stays with it.
    """
    walls = boundaries.sections(source.document, source.characters)
    return replace(recursive(source), walls=walls)
