"""What is kept between runs.

::

    database/              SQLite or PostgreSQL, which the next four are built on
    files.py, blobs.py     uploaded files: their names, and their contents
    derived.py             chunks and vectors made of them
    jobs.py                jobs, and how far each has come
    rotations.py, keys.py  files of their own

Nothing is imported here: what needs no database does not wait for SQLAlchemy.
"""
