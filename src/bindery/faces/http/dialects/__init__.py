"""The dialects that existing clients speak, one file each, and what they are translated to.

**To add one**: a file with its bodies, its translations and its row, and a line in
:data:`bindery.faces.http.dialects.table.DIALECTS`; how it words errors goes into
:data:`bindery.faces.http.errors.FORMS`, and what its routes ask of a key into
:mod:`bindery.faces.http.gate.access`. The conformance tests find it by themselves.
"""
