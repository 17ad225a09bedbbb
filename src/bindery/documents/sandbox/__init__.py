"""The separate process in which documents are parsed, and how it is confined.

:mod:`.client` is the side that asks, :mod:`.worker` the side that parses and :mod:`.protocol` what
they send each other; :mod:`.confinement` takes rights away, with :mod:`.landlock` (files) and
:mod:`.seccomp` (system calls).
"""
