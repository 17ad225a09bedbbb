"""Documents: bytes in, :class:`bindery.types.Document` out.

:func:`parse` is for untrusted files: it reads in a separate process, within limits of time and
memory. :func:`draw_page` draws a page of a PDF in the same way. :func:`read` reads in this process.
:func:`divide` finds where a program may be cut, also in a separate process. :data:`READERS` is the
table of formats; other packages can add to it (:func:`readers`).
"""

from bindery.documents.detect import detect_kind
from bindery.documents.readers import READERS, Reader, readers
from bindery.documents.reading import read
from bindery.documents.sandbox.client import divide, draw_page, parse

__all__ = ["READERS", "Reader", "detect_kind", "divide", "draw_page", "parse", "read", "readers"]
