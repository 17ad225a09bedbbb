"""The APIs ("dialects") that existing clients speak, one file each.

**To add one**: a file with its bodies, translations and :class:`.base.Dialect`, a line in
:data:`bindery.faces.http.dialects.table.DIALECTS`, its error format in
:data:`bindery.faces.http.errors.FORMS`, and the scopes of its routes in
:mod:`bindery.faces.http.gate.access`. The conformance tests find it automatically.
"""
