"""Vectors: their values, scores, rotations, and every form on the wire and on disk.

``docs/formats.md`` gives the layout byte by byte, so that it can be read in any language. Numbers
are little-endian everywhere; the vectors of a text stay together, by offsets if it has several.
"""

from bindery.vectors.forms import CodedEmbeddings, Form, code
from bindery.vectors.reading import load
from bindery.vectors.wire import from_wire, to_wire

__all__ = ["CodedEmbeddings", "Form", "code", "from_wire", "load", "to_wire"]
