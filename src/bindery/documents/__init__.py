"""Documents: bytes in, :class:`bindery.types.Document` out.

:func:`parse` is for files from outside: it reads in a process of its own, within limits.
:func:`read` does the same in this process; :func:`divide` finds where a program may be cut, in a
process of its own too. What can be read is one table, :data:`READERS`, to
which other packages add: :func:`readers`.
"""

from bindery.documents.detect import detect_kind
from bindery.documents.readers import READERS, Reader, readers
from bindery.documents.reading import read
from bindery.documents.sandbox.client import divide, parse

__all__ = ["READERS", "Reader", "detect_kind", "divide", "parse", "read", "readers"]
