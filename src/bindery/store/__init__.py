"""Everything that is kept between runs.

::

    database/              SQLite or PostgreSQL, which holds the next four
    files.py, blobs.py     uploaded files: their names and their contents
    derived.py             the chunks and vectors of files
    jobs.py                jobs and their progress
    rotations.py, keys.py  kept in separate files

Nothing is imported here, so that code without a database does not wait for SQLAlchemy.
"""
