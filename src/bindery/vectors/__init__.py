"""The forms that vectors take on the wire and on disk, and the way back from each.

``docs/formats.md`` gives the layout byte by byte, so that it can be read in any language. Numbers
are little-endian everywhere; a text's vectors stay together, by offsets where it has several.
"""

from bindery.vectors.forms import Coded, Form, Vectors, code
from bindery.vectors.reading import load
from bindery.vectors.wire import from_wire, to_wire

__all__ = ["Coded", "Form", "Vectors", "code", "from_wire", "load", "to_wire"]
